//! Content by its digest: plan documents, rules files, schemas, modules, large outputs.

use orc_domain::Digest;

use crate::record::digest;
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "blob";

/// Content, checked against its digest when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// What it is, as in `application/json`: as whoever stored it first said.
    pub media_type: String,
    /// It.
    pub bytes: Vec<u8>,
}

impl WriteTx<'_> {
    /// Keeps content, once however often it is put. Returns its digest.
    ///
    /// # Errors
    /// What the disk says.
    pub fn put_blob(&mut self, media_type: &str, bytes: &[u8]) -> Result<Digest, StoreError> {
        let key = Digest::of(bytes);
        self.connection().execute(
            "INSERT INTO blob (digest, media_type, bytes, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (digest) DO NOTHING",
            (digest(&key), media_type, bytes, self.now().0),
        )?;
        Ok(key)
    }
}

impl ReadTx<'_> {
    /// Content by its digest, read and checked.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none; [`StoreError::Damaged`] where it is not what its digest says.
    pub fn blob(&self, key: &Digest) -> Result<Blob, StoreError> {
        let found = self.first(TABLE, "SELECT media_type, bytes FROM blob WHERE digest = ?1", [digest(key)], |row| {
            Ok(Blob { media_type: row.raw("media_type")?, bytes: row.raw("bytes")? })
        })?;
        let blob = found.ok_or_else(|| StoreError::NotFound { kind: TABLE, id: key.to_string() })?;
        if Digest::of(&blob.bytes) == *key {
            Ok(blob)
        } else {
            Err(StoreError::Damaged { table: TABLE, column: "bytes", why: format!("they are not what {} names", key.short()) })
        }
    }

    /// What is stored under a digest, whatever it is: for saying what was changed, never for use.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn unchecked_blob(&self, key: &Digest) -> Result<Vec<u8>, StoreError> {
        let found = self.first(TABLE, "SELECT bytes FROM blob WHERE digest = ?1", [digest(key)], |row| row.raw("bytes"))?;
        found.ok_or_else(|| StoreError::NotFound { kind: TABLE, id: key.to_string() })
    }
}
