//! Compiled code on disk: `<cache_dir>/<engine>/<module>.cwasm`, each file a tag and the code. Whoever can make wasmtime load a file can
//! run machine code in the host, so nothing is loaded whose tag does not prove that this installation wrote it for this module and
//! these engine settings. Files are read whole before they are believed, never mapped: what was checked is what is loaded.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, Mac};
use orc_domain::Digest;
use rustix::fs::{CWD, Mode, OFlags, fstat, fsync, openat, renameat, unlinkat};
use rustix::io::Errno;
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::compatibility;

/// What a tag is made over, beside the code; its version changes with the form of the file.
const PURPOSE: &[u8] = b"orc.cwasm/1\0";

/// Bytes of a tag.
const TAG: usize = 32;

/// The largest file that is read, in bytes. Compiled code is three to four times the component.
const MAX_FILE: u64 = 512 * 1024 * 1024;

/// Why the cache's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or opened, or its place is taken by a link or a file.
    #[error("cannot open the compile cache `{}` as a directory", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else could plant code in it.
    #[error("the compile cache `{}` must belong to this user and have mode 0700: mend that, or remove it and it is made again", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
}

/// Compiled code of one engine.
pub(crate) struct Cache {
    dir: OwnedFd,
    engine: [u8; 32],
    key: [u8; 32],
    temporary: AtomicU64,
}

impl Cache {
    /// Opens or makes the directories.
    pub(crate) fn open(root: &Path, engine: &Engine, key: [u8; 32]) -> Result<Self, CacheError> {
        let engine = compatibility(engine);
        private_dir(root)?;
        let dir = private_dir(&root.join(hex::encode(engine)))?;
        Ok(Self { dir, engine, key, temporary: AtomicU64::new(0) })
    }

    /// The compiled module, or `None` where there is none that can be believed; such a file is put aside.
    pub(crate) fn get(&self, engine: &Engine, module: Digest) -> Option<Component> {
        let name = file_name(module);
        let file = match self.read(&name) {
            Ok(file) => file,
            Err(Errno::NOENT) => return None,
            Err(error) => return self.quarantine(&name, &format!("it cannot be read: {error}")),
        };
        let Some((tag, code)) = file.split_at_checked(TAG) else { return self.quarantine(&name, "it is cut off") };
        if self.mac(module, code).verify_slice(tag).is_err() {
            return self.quarantine(&name, "its tag is not this installation's for this module");
        }
        match load_authenticated(engine, code) {
            Ok(component) => Some(component),
            Err(error) => self.quarantine(&name, &format!("wasmtime refuses it: {}", error.root_cause())),
        }
    }

    /// Keeps a compiled module. A cache that cannot be written costs time, not correctness: it is reported and no error.
    pub(crate) fn put(&self, component: &Component, module: Digest) {
        let written = component.serialize().map_err(|error| error.to_string());
        let written = written.and_then(|code| self.write(module, &code).map_err(|error| error.to_string()));
        if let Err(why) = written {
            tracing::warn!(module = %module, %why, "compiled guest was not cached");
        }
    }

    fn mac(&self, module: Digest, code: &[u8]) -> Hmac<Sha256> {
        // HMAC pads a key that is shorter than its block with zeros: the same, and it cannot fail.
        let mut block = [0; 64];
        block[..self.key.len()].copy_from_slice(&self.key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(PURPOSE);
        mac.update(&self.engine);
        mac.update(module.as_bytes());
        mac.update(code);
        mac
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(openat(&self.dir, name, flags, Mode::empty())?);
        let stat = fstat(&file)?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() || stat.st_size as u64 > MAX_FILE {
            return Err(Errno::INVAL);
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).map_err(errno)?;
        Ok(bytes)
    }

    fn write(&self, module: Digest, code: &[u8]) -> std::io::Result<()> {
        let count = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = format!("new-{}-{count}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Left by a process of the same id that died in the middle.
        let _ = unlinkat(&self.dir, &temporary, rustix::fs::AtFlags::empty());
        let mut file = File::from(openat(&self.dir, &temporary, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&self.mac(module, code).finalize().into_bytes())?;
        file.write_all(code)?;
        file.sync_all()?;
        renameat(&self.dir, &temporary, &self.dir, file_name(module))?;
        Ok(fsync(&self.dir)?)
    }

    /// Puts a file aside, for somebody to look at; the module is then compiled anew.
    fn quarantine(&self, name: &str, why: &str) -> Option<Component> {
        tracing::warn!(file = name, why, "a file of the compile cache is not believed; it is put aside");
        if let Err(error) = renameat(&self.dir, name, &self.dir, format!("{name}.quarantined")) {
            tracing::warn!(file = name, %error, "it could not be put aside");
        }
        None
    }
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

fn file_name(module: Digest) -> String {
    format!("{}.cwasm", hex::encode(module.as_bytes()))
}

/// Opens a directory that only this user can use, making it where it is missing.
fn private_dir(path: &Path) -> Result<OwnedFd, CacheError> {
    let open_error = |source| CacheError::Open { path: path.into(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(open_error)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(CWD, path, flags, Mode::empty()).map_err(|error| open_error(error.into()))?;
    let stat = fstat(dir.as_fd()).map_err(|error| open_error(error.into()))?;
    let ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0;
    if ours { Ok(dir) } else { Err(CacheError::NotOurs { path: path.into() }) }
}

/// Loads compiled code whose tag was just verified: the only unsafe function of this crate.
#[expect(unsafe_code, reason = "wasmtime cannot check compiled code; the tag over it was verified by the caller")]
fn load_authenticated(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` asks that the bytes come unmodified from `Component::serialize`. `code` was authenticated by `Cache::get`
    // with a key that only this installation has, over module digest and engine settings; the one writer of such tags is `Cache::put`,
    // which tags what `serialize` just gave. The bytes are in our memory: nobody can change them between the check and this call.
    unsafe { Component::deserialize(engine, code) }
}
