//! Errors of this crate's own making. Everything else comes from the engine as it is.

use std::error::Error;
use std::io;

use orc_domain::{ErrorCode, OrcError};

/// The system refused something. What is not there is another thing than what cannot be read now.
pub(crate) fn io(message: &str, error: &(dyn Error + 'static)) -> OrcError {
    let missing = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    let code = if missing { ErrorCode::NotFound } else { ErrorCode::StorageFailed };
    OrcError::from_source(code, message, error)
}

/// A person was asked, and what was answered is no yes.
pub(crate) fn declined(undone: &str, why: &str) -> OrcError {
    OrcError::new(ErrorCode::Declined, format!("{undone}: {why}")).hint("the same command asks again")
}

/// The command line asks for something that cannot be.
pub(crate) fn usage(message: impl Into<String>) -> OrcError {
    OrcError::new(ErrorCode::InvalidRequest, message)
}
