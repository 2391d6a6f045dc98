//! The host key and what is derived from it. Keys live in the user's configuration directory, never beside the database.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use orc_domain::ports::IdSource;
use orc_domain::{ApprovalRequestId, Digest, ErrorCode, InstallationId, OperatorName, OrcError};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const TOKEN_BYTES: usize = 16;

/// What a derived key is for. One purpose never serves another.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    ApprovalToken,
    GuestCache,
    EnvironmentPin,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::ApprovalToken => b"orc.key.approval-token.v1",
            Self::GuestCache => b"orc.key.guest-cache.v1",
            Self::EnvironmentPin => b"orc.key.environment-pin.v1",
        }
    }
}

/// Why the host key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or made.
    #[error("the host key {path} cannot be {did}")]
    Io {
        /// Where.
        path: PathBuf,
        /// `read`, `made`.
        did: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else could read or change it.
    #[error("{path} can be read or changed by others, or belongs to another user: run `chmod -R go= {path}` as its owner")]
    Exposed {
        /// Where.
        path: PathBuf,
    },
    /// It is no key.
    #[error("the host key {path} is not {KEY_BYTES} bytes: restore it from your own backup; a new one voids all open approvals")]
    Malformed {
        /// Where.
        path: PathBuf,
    },
}

impl From<KeyError> for OrcError {
    fn from(error: KeyError) -> Self {
        Self::from_source(ErrorCode::ConfigInvalid, "the host's keys are not usable", &error)
    }
}

/// The host key of one installation.
pub struct Keys {
    host: Zeroizing<[u8; KEY_BYTES]>,
    /// Whether it is the installation's, and not one that ends with this process.
    kept: bool,
}

impl Keys {
    /// The key of `installation` under `dir`, made where there is none yet. Directory 0700 and file 0600, both of this user, or refused.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create(dir: &Path, installation: &InstallationId, random: &dyn IdSource) -> Result<Self, KeyError> {
        let dir = dir.join(installation.as_str());
        let io = |did| {
            let path = dir.clone();
            move |source| KeyError::Io { path, did, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(io("made"))?;
        private(&dir)?;
        let path = dir.join("host.key");
        if !path.exists() {
            create(&path, random).map_err(|source| KeyError::Io { path: path.clone(), did: "made", source })?;
        }
        private(&path)?;
        read(&path)
    }

    /// The key of `installation` under `dir`; where there is none, one for this process alone, which opens nothing. Makes no file: for who
    /// only reads a database, perhaps a copy on another machine.
    ///
    /// # Errors
    /// [`KeyError`], where there is one that cannot be used.
    pub fn load_or_pass(dir: &Path, installation: &InstallationId, random: &dyn IdSource) -> Result<Self, KeyError> {
        let dir = dir.join(installation.as_str());
        let path = dir.join("host.key");
        if !path.exists() {
            let mut host = Zeroizing::new([0; KEY_BYTES]);
            random.fill(host.as_mut_slice());
            return Ok(Self { host, kept: false });
        }
        private(&dir)?;
        private(&path)?;
        read(&path)
    }

    /// Whether tokens of this key are worth anything.
    pub(crate) const fn are_kept(&self) -> bool {
        self.kept
    }

    fn derive(&self, purpose: Purpose) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut out = Zeroizing::new([0; KEY_BYTES]);
        // HKDF-SHA-256 (RFC 5869) fails only for outputs longer than 255 blocks.
        let expanded = Hkdf::<Sha256>::new(None, self.host.as_slice()).expand(purpose.label(), out.as_mut_slice());
        debug_assert!(expanded.is_ok());
        out
    }

    /// The key that authenticates compiled guests on disk.
    pub fn guest_cache(&self) -> [u8; KEY_BYTES] {
        *self.derive(Purpose::GuestCache)
    }

    /// What tells one value from another without telling it to who does not have the key: 64 bits of HMAC-SHA-256, in hex.
    pub fn pin(&self, value: &str) -> String {
        let key = self.derive(Purpose::EnvironmentPin);
        let mut mac =
            <Hmac<Sha256> as hmac::Mac>::new_from_slice(key.as_slice()).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(value.as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..8])
    }

    /// The token with which `operator` votes on `request` of the plan `plan_hash`: 128 bits of HMAC-SHA-256, in hex. In no table and no
    /// backup; a new key epoch voids all.
    pub(crate) fn approval_token(&self, request: &ApprovalRequestId, plan_hash: &Digest, operator: &OperatorName, epoch: u64) -> String {
        let key = self.derive(Purpose::ApprovalToken);
        let mut mac =
            <Hmac<Sha256> as hmac::Mac>::new_from_slice(key.as_slice()).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        for field in [request.as_str().as_bytes(), plan_hash.as_bytes(), operator.as_str().as_bytes(), &epoch.to_be_bytes()] {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        hex::encode(&mac.finalize().into_bytes()[..TOKEN_BYTES])
    }

    /// Whether `token` is that token; takes the same time for every wrong one.
    pub(crate) fn is_approval_token(
        &self,
        token: &str,
        request: &ApprovalRequestId,
        plan_hash: &Digest,
        operator: &OperatorName,
        epoch: u64,
    ) -> bool {
        let expected = self.approval_token(request, plan_hash, operator, epoch);
        token.as_bytes().ct_eq(expected.as_bytes()).into()
    }
}

fn private(path: &Path) -> Result<(), KeyError> {
    let meta = std::fs::symlink_metadata(path).map_err(|source| KeyError::Io { path: path.to_owned(), did: "read", source })?;
    let mine = meta.uid() == rustix::process::geteuid().as_raw();
    if meta.is_symlink() || !mine || meta.mode() & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    Ok(())
}

fn create(path: &Path, random: &dyn IdSource) -> std::io::Result<()> {
    let mut key = Zeroizing::new([0u8; KEY_BYTES]);
    random.fill(key.as_mut_slice());
    let part = path.with_extension("part");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(key.as_slice())?;
    file.sync_all()?;
    // Linking refuses where another process was faster: its key stays.
    match std::fs::hard_link(&part, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::remove_file(&part)
}

fn read(path: &Path) -> Result<Keys, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), did: "read", source };
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(path).map_err(io)?.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    let host: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| KeyError::Malformed { path: path.to_owned() })?;
    Ok(Keys { host: Zeroizing::new(host), kept: true })
}
