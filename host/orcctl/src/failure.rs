//! Errors of this crate's own making. Everything else comes from the engine as it is.

use std::error::Error;

use orc_domain::{ErrorCode, OrcError};

/// The system refused something.
pub(crate) fn io(message: &str, error: &(dyn Error + 'static)) -> OrcError {
    OrcError::from_source(ErrorCode::StorageFailed, message, error)
}

/// The command line asks for something that cannot be.
pub(crate) fn usage(message: impl Into<String>) -> OrcError {
    OrcError::new(ErrorCode::InvalidRequest, message)
}
