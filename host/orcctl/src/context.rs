//! What every command works with: options, printer, view, and the way to the host.

use std::fmt::Write as _;

use orc_client::{Client, Session};
use orc_domain::api::Intent;
use orc_domain::{ErrorCode, OrcError};
use rand::RngCore as _;
use serde::Serialize;

use crate::cli::{Format, Globals};
use crate::host::Working;
use crate::printer::Printer;
use crate::render::{Render, View, text};
use crate::wiring::{self, Want};

/// What every command works with.
pub(crate) struct Context {
    pub(crate) globals: Globals,
    pub(crate) printer: Printer,
    pub(crate) view: View,
}

impl Context {
    pub(crate) fn new(globals: Globals) -> Self {
        let printer = Printer::new(globals.format);
        let view = View {
            color: wiring::color(globals.color),
            zone: jiff::tz::TimeZone::system(),
            width: wiring::width(),
            program: program(&globals),
        };
        Self { globals, printer, view }
    }

    /// The host, for what is wanted of it.
    pub(crate) async fn host(&self, want: Want) -> Result<Host, OrcError> {
        let (client, working) = wiring::connect(&self.globals, want).await?;
        Ok(Host { client, session: Session { user: self.globals.user.clone() }, working })
    }

    /// Asks one question and shows the answer.
    pub(crate) async fn show<I: Intent + Clone>(&self, request: I) -> Result<(), OrcError>
    where
        I::Answer: Render,
    {
        let answer = match self.host(Want::Read).await?.read(request.clone()).await {
            Err(error) if error.code == ErrorCode::HostUnreachable => self.host(Want::Read).await?.read(request).await?,
            answer => answer?,
        };
        self.answer(&answer)
    }

    /// Changes one thing and shows the answer.
    pub(crate) async fn change<I: Intent + Clone>(&self, key: Option<String>, request: I) -> Result<(), OrcError>
    where
        I::Answer: Render,
    {
        let (answer, _) = self.write(Want::Write, key, request).await?;
        self.answer(&answer)
    }

    /// Changes one thing. A host that goes away just then is looked for once more: under the same key nothing is done twice.
    pub(crate) async fn write<I: Intent + Clone>(
        &self,
        want: Want,
        key: Option<String>,
        request: I,
    ) -> Result<(I::Answer, Host), OrcError> {
        let key = key.unwrap_or_else(fresh_key);
        let host = self.host(want).await?;
        let (host, outcome) = match host.write(&key, request.clone()).await {
            Err(error) if error.code == ErrorCode::HostUnreachable => {
                host.close().await;
                let host = self.host(want).await?;
                let outcome = host.write(&key, request).await;
                (host, outcome)
            }
            outcome => (host, outcome),
        };
        match outcome {
            Ok(answer) => Ok((answer, host)),
            Err(error) => {
                host.close().await;
                Err(error)
            }
        }
    }

    /// Shows an answer in the format that was asked for.
    pub(crate) fn answer<T: Render + Serialize>(&self, answer: &T) -> Result<(), OrcError> {
        match self.globals.format {
            Format::Text => self.printer.data(&answer.render(&self.view)),
            Format::Json => self.printer.json(answer),
        }
    }
}

/// The way to the host, in the name of the session.
pub(crate) struct Host {
    pub(crate) client: Box<dyn Client>,
    session: Session,
    working: Option<Working>,
}

impl Host {
    /// Lets go of it. Where this process is the host, it stops in order: what runs is killed, proved dead and left to the next owner.
    pub(crate) async fn close(self) {
        if let Some(working) = self.working {
            working.stop().await;
        }
    }

    /// Asks.
    pub(crate) async fn read<I: Intent>(&self, request: I) -> Result<I::Answer, OrcError> {
        orc_client::call(self.client.as_ref(), &self.session, None, request).await
    }

    /// Changes something, under `key`. Where the answer was lost, the error says under which key to ask again.
    async fn write<I: Intent>(&self, key: &str, request: I) -> Result<I::Answer, OrcError> {
        let outcome = orc_client::call(self.client.as_ref(), &self.session, Some(key.to_owned()), request).await;
        outcome.map_err(|error| match error.code {
            ErrorCode::HostUnreachable => {
                error.hint(format!("repeat the command with `--idempotency-key {key}`: what was done is not done twice"))
            }
            _ => error,
        })
    }
}

/// A key that nobody used before.
fn fresh_key() -> String {
    let mut bytes = [0; 12];
    rand::rng().fill_bytes(&mut bytes);
    format!("cli-{}", hex::encode(bytes))
}

/// `orcctl` with the options that say which installation: so that a next step can be pasted as it stands.
fn program(globals: &Globals) -> String {
    let mut out = "orcctl".to_owned();
    for (option, path) in [("--db", &globals.db), ("--root", &globals.root)] {
        if let Some(path) = path {
            let _ = write!(out, " {option} {}", text::word(&path.to_string_lossy()));
        }
    }
    out
}
