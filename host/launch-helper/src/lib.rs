//! The launch helper's language: what the host and `orc-launch` say to each other over their socket pair.
//!
//! Here belong the messages and their framing, nothing else: the deeds are in the binary (`main.rs` and its modules). The host's launch
//! room links this library so that both ends are compiled from one definition. No domain types: the helper stays small.
//!
//! A frame is its length (`u32`, little endian) and that many bytes of JSON. After [`Order::Launch`] follow `stdin_len` raw bytes.
//! Pitfall: the socket pair is also the lifeline. Whoever reads an end of file on it takes the other side for dead.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest frame, in bytes. Arguments and environment of a Linux process fit several times.
pub const MAX_FRAME: usize = 16 << 20;

/// Largest standard input, in bytes.
pub const MAX_STDIN: u64 = 64 << 20;

/// What a launch can be held to; the words are those of `orc_domain::grant::Protection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the domain type of the same name says what each means")]
pub enum Protection {
    Files,
    Tcp,
    Signals,
    AbstractSockets,
    NoNewPrivs,
    ProcessTree,
    Processes,
    Resources,
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// A path that the host resolved and looked at: no component is a symlink, and the file behind it is this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Absolute, resolved.
    pub path: String,
    /// What the host found there.
    pub id: Identity,
}

/// A granted directory or file. Reading is always granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// Where.
    pub place: Place,
    /// Whether files may be executed.
    pub execute: bool,
    /// Whether files may be created, changed and removed.
    pub write: bool,
}

/// Bounds of each process, set as resource limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// CPU time, in seconds.
    pub cpu_s: u64,
    /// Private memory, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads of the launching user.
    pub processes: u64,
    /// Open files.
    pub open_files: u64,
    /// Largest file written, in bytes.
    pub file_bytes: u64,
}

/// What to become, and under what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The file to execute, as looked up: its last component may be a symlink, because programs read their own name.
    pub program: Place,
    /// Arguments, the program's name first.
    pub argv: Vec<String>,
    /// Working directory.
    pub cwd: Place,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// What may be read, executed, written.
    pub granted: Vec<Granted>,
    /// Whether TCP is denied.
    pub deny_tcp: bool,
    /// Bounds.
    pub limits: Limits,
    /// Protections without which nothing is executed.
    pub must: BTreeSet<Protection>,
    /// Bytes of standard input that follow this frame.
    pub stdin_len: u64,
}

/// From the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Try every protection on a process that executes nothing.
    Probe,
    /// Launch; the first order or none.
    Launch(Box<Launch>),
    /// End it: the polite signal now, the final one after the grace.
    Stop {
        /// Milliseconds between the two.
        grace_ms: u64,
    },
}

/// What is in force and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// In force.
    pub active: BTreeSet<Protection>,
    /// Not in force, each with why and the mend.
    pub missing: BTreeMap<Protection, String>,
}

/// Which part of a launch is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The plan, or the file system under it.
    Plan,
    /// The program.
    Program,
    /// The helper or the machine.
    Helper,
}

/// Why nothing was executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "setback", rename_all = "snake_case", deny_unknown_fields)]
pub enum Setback {
    /// A demanded protection could not be put in force.
    Refused {
        /// Which.
        protection: Protection,
        /// Why, and the mend.
        why: String,
    },
    /// Something else was not in order.
    Failed {
        /// Who is to blame.
        part: Part,
        /// What happened.
        why: String,
    },
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    /// With an exit code.
    Exited {
        /// The code.
        code: i32,
    },
    /// By a signal.
    Signaled {
        /// The signal.
        signal: i32,
    },
}

/// The last word about a launch that was executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// How the program ended.
    pub end: End,
    /// Whether it was asked to end before it did.
    pub stopped: bool,
    /// Processes that the program left behind and that were killed.
    pub left_over: u64,
    /// Whether the kernel says that no process of the launch exists any more.
    pub proved_dead: bool,
    /// CPU time of all processes, in milliseconds.
    pub cpu_ms: u64,
    /// Largest resident set of one process, in KiB.
    pub max_rss_kib: u64,
}

/// From the helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// To a probe.
    Probed {
        /// What holds here.
        confinement: Confinement,
        /// Kernel, Landlock ABI and the like.
        facts: BTreeMap<String, String>,
    },
    /// The program is executed, under this.
    Running {
        /// What holds.
        confinement: Confinement,
    },
    /// It is not, and will not be.
    Stopped {
        /// Why.
        setback: Setback,
    },
    /// It ended, and so did everything that it started.
    Exited {
        /// How.
        exit: Exit,
    },
}

/// A message as a frame.
///
/// # Errors
/// When it is larger than [`MAX_FRAME`].
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes; at most {MAX_FRAME} are sent")));
    }
    frame[..4].copy_from_slice(&u32::try_from(length).map_err(io::Error::other)?.to_le_bytes());
    Ok(frame)
}

/// Takes the first whole frame off `buffer`, if there is one.
///
/// # Errors
/// When it is larger than [`MAX_FRAME`] or no such message.
pub fn decode<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(head) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = checked_length(*head)?;
    let Some(body) = buffer.get(4..4 + length) else { return Ok(None) };
    let message = serde_json::from_slice(body)?;
    buffer.drain(..4 + length);
    Ok(Some(message))
}

/// Reads one message; `None` at the end of the stream.
///
/// # Errors
/// When the stream ends inside a frame, or as [`decode`].
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0; 4];
    if stream.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..])?;
    let mut body = vec![0; checked_length(head)?];
    stream.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

fn checked_length(head: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(head) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes; at most {MAX_FRAME} are read")));
    }
    Ok(length)
}
