//! Reading a stream of output: never blocking the program, never growing without bound, nothing stored before it was redacted.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orc_domain::grant::StreamReport;
use orc_domain::ports::{LaunchIo, LaunchProgress, Secret};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::keep::{HeadTail, Tail};
use crate::redact::Redactor;

/// Head and tail of a report, in bytes each.
const REPORT_PART: usize = 64 << 10;
/// Head and tail of a transcript, in bytes each.
const TRANSCRIPT_PART: usize = 8 << 20;
/// At most one sign of life in this time.
const OUTPUT_INTERVAL: Duration = Duration::from_millis(250);
/// How long a stream may stay open after the last process of the launch is dead.
const DRAIN: Duration = Duration::from_millis(500);

/// Tells the caller how it goes, signs of life throttled.
pub(crate) struct Progress {
    tell: Option<Box<dyn Fn(LaunchProgress) + Send + Sync>>,
    last_output: Mutex<Option<Instant>>,
}

impl Progress {
    pub(crate) fn tell(&self, progress: LaunchProgress) {
        if let Some(tell) = &self.tell {
            tell(progress);
        }
    }

    fn output(&self) {
        let mut last = self.last_output.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= OUTPUT_INTERVAL) {
            *last = Some(Instant::now());
            drop(last);
            self.tell(LaunchProgress::Output);
        }
    }
}

/// What both streams are read under.
pub(crate) struct Rules {
    secrets: Vec<Secret>,
    cap: u64,
    progress: Arc<Progress>,
    /// Set by a stream that passed its cap.
    over: CancellationToken,
    /// Set when whoever still holds a stream is waited for no longer.
    enough: CancellationToken,
}

/// Both streams being read.
pub(crate) struct Streams {
    pub(crate) progress: Arc<Progress>,
    pub(crate) over: CancellationToken,
    enough: CancellationToken,
    stdout: JoinHandle<Done>,
    stderr: JoinHandle<Done>,
}

/// A stream that was read.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) report: StreamReport,
    pub(crate) captured: Vec<u8>,
}

impl Streams {
    /// Starts reading. Fails when a transcript cannot be made, before anything was executed.
    pub(crate) async fn start<O, E>(stdout: O, stderr: E, io: LaunchIo, cap: u64) -> Result<Self, String>
    where
        O: AsyncRead + Send + Unpin + 'static,
        E: AsyncRead + Send + Unpin + 'static,
    {
        let progress = Arc::new(Progress { tell: io.progress, last_output: Mutex::new(None) });
        let (over, enough) = (CancellationToken::new(), CancellationToken::new());
        let rules = Rules { secrets: io.redact, cap, progress: progress.clone(), over: over.clone(), enough: enough.clone() };
        let out = Reader::new(&rules, Transcript::create(io.transcript.as_ref(), "stdout").await?, io.capture);
        let err = Reader::new(&rules, Transcript::create(io.transcript.as_ref(), "stderr").await?, None);
        let rules = Arc::new(rules);
        Ok(Self {
            progress,
            over,
            enough,
            stdout: tokio::spawn(out.read(stdout, rules.clone())),
            stderr: tokio::spawn(err.read(stderr, rules)),
        })
    }

    /// Waits for the ends of both, for a bounded time: a process that got away with a pipe must not keep anybody waiting.
    pub(crate) async fn finish(self) -> (Done, Done) {
        let enough = self.enough.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(DRAIN).await;
            enough.cancel();
        });
        let (stdout, stderr) = tokio::join!(self.stdout, self.stderr);
        timer.abort();
        (stdout.unwrap_or_default(), stderr.unwrap_or_default())
    }
}

struct Reader {
    redactor: Redactor,
    kept: HeadTail,
    transcript: Option<Transcript>,
    capture: Option<usize>,
    captured: Vec<u8>,
    bytes: u64,
}

impl Reader {
    fn new(rules: &Rules, transcript: Option<Transcript>, capture: Option<usize>) -> Self {
        let kept = HeadTail::new(REPORT_PART);
        Self { redactor: Redactor::new(&rules.secrets), kept, transcript, capture, captured: Vec::new(), bytes: 0 }
    }

    async fn read(mut self, mut stream: impl AsyncRead + Unpin, rules: Arc<Rules>) -> Done {
        let mut chunk = vec![0; 64 << 10];
        loop {
            let read = tokio::select! {
                read = stream.read(&mut chunk) => read,
                () = rules.enough.cancelled() => break,
            };
            match read {
                Ok(0) => break,
                Ok(length) => self.take(&chunk[..length], &rules).await,
                Err(error) => {
                    tracing::warn!(%error, "a stream of a launch could not be read to its end");
                    break;
                }
            }
        }
        let rest = self.redactor.finish();
        self.keep(&rest).await;
        if let Some(transcript) = self.transcript.take() {
            transcript.finish().await;
        }
        Done { report: self.kept.report(self.bytes, self.redactor.count), captured: self.captured }
    }

    /// Beyond the cap nothing is kept, but reading goes on: the program must be able to heed the polite signal.
    async fn take(&mut self, chunk: &[u8], rules: &Rules) {
        rules.progress.output();
        let room = usize::try_from(rules.cap.saturating_sub(self.bytes)).unwrap_or(usize::MAX).min(chunk.len());
        self.bytes += chunk.len() as u64;
        if room < chunk.len() {
            rules.over.cancel();
        }
        self.capture(&chunk[..room], rules);
        let clean = self.redactor.push(&chunk[..room]);
        self.keep(&clean).await;
    }

    fn capture(&mut self, chunk: &[u8], rules: &Rules) {
        let Some(most) = self.capture else { return };
        if self.captured.len() + chunk.len() > most {
            rules.over.cancel();
        }
        let room = (most - self.captured.len()).min(chunk.len());
        self.captured.extend_from_slice(&chunk[..room]);
    }

    async fn keep(&mut self, clean: &[u8]) {
        self.kept.push(clean);
        if let Some(transcript) = &mut self.transcript {
            transcript.write(clean).await;
        }
    }
}

/// A stream's file: its head as it comes, its tail at the end.
struct Transcript {
    path: PathBuf,
    file: File,
    room: usize,
    tail: Tail,
    broken: bool,
}

impl Transcript {
    async fn create(directory: Option<&PathBuf>, name: &str) -> Result<Option<Self>, String> {
        let Some(directory) = directory else { return Ok(None) };
        let path = directory.join(name);
        // Never over another launch's: a transcript is evidence.
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).await;
        let file = opened.map_err(|error| format!("the transcript `{}` cannot be made: {error}", path.display()))?;
        Ok(Some(Self { path, file, room: TRANSCRIPT_PART, tail: Tail::new(TRANSCRIPT_PART), broken: false }))
    }

    async fn write(&mut self, clean: &[u8]) {
        let (head, tail) = clean.split_at(clean.len().min(self.room));
        self.room -= head.len();
        self.tail.push(tail);
        self.append(head).await;
    }

    /// A full disk costs the transcript, not the launch: what the report keeps is in memory.
    async fn append(&mut self, bytes: &[u8]) {
        if self.broken || bytes.is_empty() {
            return;
        }
        if let Err(error) = self.file.write_all(bytes).await {
            self.broken = true;
            tracing::warn!(path = %self.path.display(), %error, "a transcript is incomplete");
        }
    }

    async fn finish(mut self) {
        let (tail, dropped) = std::mem::take(&mut self.tail).finish();
        if dropped > 0 {
            self.append(format!("\n[{dropped} bytes not kept]\n").as_bytes()).await;
        }
        self.append(&tail).await;
        if let Err(error) = self.file.flush().await {
            tracing::warn!(path = %self.path.display(), %error, "a transcript is incomplete");
        }
    }
}
