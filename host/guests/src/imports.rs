//! The host's side of what guests import, capability by capability. A capability that is not granted is not in the linker.
//!
//! Every byte that a host call moves costs one unit of fuel, and every call a few: a guest cannot make the host work for free, and
//! the same call costs the same on every machine.

use std::collections::BTreeSet;
use std::sync::Arc;

use orc_domain::Untrusted;
use orc_domain::ports::GuestLogLine;
use orc_domain::verdict::{Capability, FaultClass, GuestLimits};
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{AsContextMut, Engine, StoreContextMut, Trap};

use crate::bindings::Level;
use crate::document::{Documents, GuestDocument, MAX_PARSED};
use crate::fault::fault;
use crate::limits::Meter;

/// Fuel for one host call, beside the bytes that it moves.
const CALL_FUEL: u64 = 100;

/// Bytes that a log line takes of the log's limit beside its text, so that empty lines end too.
const LINE_BYTES: u64 = 16;

/// What a call's store holds.
pub(crate) struct CallState {
    pub(crate) meter: Meter,
    pub(crate) log: Log,
    /// Whether a host call is under way that may wait.
    pub(crate) waiting: bool,
    settings: Arc<str>,
    documents: Documents,
    output_bytes: u64,
}

impl CallState {
    pub(crate) fn new(limits: &GuestLimits, settings: Arc<str>, documents: Documents) -> Self {
        Self {
            meter: Meter::new(limits),
            log: Log { lines: Vec::new(), left: limits.log_bytes, dropped: 0 },
            waiting: false,
            settings,
            documents,
            output_bytes: limits.output_bytes,
        }
    }

    fn document(&self, handle: &Resource<GuestDocument>) -> wasmtime::Result<&GuestDocument> {
        self.documents.at(handle.rep()).ok_or_else(|| fault(FaultClass::RunHost, "a document handle names no document").into())
    }

    /// Data on its way into the guest: refused where it is too much for one call.
    fn bounded(&self, bytes: usize) -> wasmtime::Result<()> {
        if bytes as u64 <= self.output_bytes {
            return Ok(());
        }
        let message = format!("it asked a host call for {bytes} bytes; one may move {}. Read documents piecewise", self.output_bytes);
        Err(fault(FaultClass::RunOutput, message).into())
    }
}

/// The log of a call, cut to its limit.
pub(crate) struct Log {
    pub(crate) lines: Vec<GuestLogLine>,
    left: u64,
    pub(crate) dropped: u64,
}

impl Log {
    fn write(&mut self, level: Level, message: String) {
        let bytes = message.len() as u64;
        match self.left.checked_sub(bytes + LINE_BYTES) {
            Some(left) => {
                self.left = left;
                self.lines.push(GuestLogLine { level: level.as_str().into(), message: Untrusted::new(message) });
            }
            None => {
                // A later, shorter line must not look as if nothing was missing before it.
                self.left = 0;
                self.dropped = self.dropped.saturating_add(bytes);
            }
        }
    }
}

/// The interface that stands for a capability, without its version.
pub(crate) const fn interface(capability: Capability) -> &'static str {
    match capability {
        Capability::Log => "orc:guest/log",
        Capability::Settings => "orc:guest/settings",
        Capability::Documents => "orc:guest/documents",
    }
}

/// The version of every interface that this host provides.
pub(crate) const VERSION: &str = "1.0.0";

/// Interfaces that hold only types: importing them gives nothing.
pub(crate) const TYPES: [&str; 2] = ["orc:guest/types", "orc:guest/input"];

/// A linker that holds exactly these capabilities.
pub(crate) fn linker(engine: &Engine, capabilities: &BTreeSet<Capability>) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    for types in TYPES {
        linker.instance(&format!("{types}@{VERSION}"))?;
    }
    for capability in capabilities {
        let name = format!("{}@{VERSION}", interface(*capability));
        match capability {
            Capability::Log => log(&mut linker, &name)?,
            Capability::Settings => settings(&mut linker, &name)?,
            Capability::Documents => documents(&mut linker, &name)?,
        }
    }
    Ok(linker)
}

fn log(linker: &mut Linker<CallState>, name: &str) -> wasmtime::Result<()> {
    linker.instance(name)?.func_wrap("write", |mut store: Store<'_>, (level, message): (Level, String)| {
        charge(&mut store, message.len())?;
        store.data_mut().log.write(level, message);
        Ok(())
    })
}

fn settings(linker: &mut Linker<CallState>, name: &str) -> wasmtime::Result<()> {
    linker.instance(name)?.func_wrap("json", |mut store: Store<'_>, (): ()| {
        let json = Arc::clone(&store.data().settings);
        charge(&mut store, json.len())?;
        Ok((json.to_string(),))
    })
}

fn documents(linker: &mut Linker<CallState>, name: &str) -> wasmtime::Result<()> {
    let mut interface = linker.instance(name)?;
    interface.resource("document", ResourceType::host::<GuestDocument>(), |_, _| Ok(()))?;
    interface.func_wrap("names", |mut store: Store<'_>, (): ()| {
        let names = store.data().documents.names();
        charge(&mut store, names.iter().map(String::len).sum())?;
        Ok((names,))
    })?;
    interface.func_wrap("open", |mut store: Store<'_>, (name,): (String,)| {
        charge(&mut store, name.len())?;
        Ok((store.data().documents.position(&name).map(Resource::<GuestDocument>::new_own),))
    })?;
    interface.func_wrap("[method]document.media-type", |mut store: Store<'_>, (handle,): (Handle,)| {
        let media_type = store.data().document(&handle)?.media_type.clone();
        charge(&mut store, media_type.len())?;
        Ok((media_type,))
    })?;
    interface.func_wrap("[method]document.size", |mut store: Store<'_>, (handle,): (Handle,)| {
        charge(&mut store, 0)?;
        Ok((store.data().document(&handle)?.bytes.len() as u64,))
    })?;
    interface.func_wrap("[method]document.read", |mut store: Store<'_>, (handle, offset, len): (Handle, u64, u32)| {
        let bytes = store.data().document(&handle)?.read(offset, len);
        store.data().bounded(bytes.len())?;
        let bytes = bytes.to_vec();
        charge(&mut store, bytes.len())?;
        Ok((bytes,))
    })?;
    interface.func_wrap_async("[method]document.pointer", |store: Store<'_>, (handle, pointer): (Handle, String)| {
        Box::new(async move { Ok((point(store, &handle, &pointer).await?,)) })
    })
}

type Store<'a> = StoreContextMut<'a, CallState>;
type Handle = Resource<GuestDocument>;

async fn point(mut store: Store<'_>, handle: &Handle, pointer: &str) -> wasmtime::Result<Option<String>> {
    charge(&mut store, pointer.len())?;
    let document = store.data().document(handle)?.clone();
    if document.unparsed() {
        parsable(document.bytes.len())?;
        charge(&mut store, document.bytes.len())?;
    }
    store.data_mut().waiting = true;
    let json = document.json().await;
    store.data_mut().waiting = false;
    let Some(found) = json.as_ref().and_then(|json| json.pointer(pointer)) else { return Ok(None) };
    let found = found.to_string();
    store.data().bounded(found.len())?;
    charge(&mut store, found.len())?;
    Ok(Some(found))
}

fn parsable(bytes: usize) -> wasmtime::Result<()> {
    if bytes <= MAX_PARSED {
        return Ok(());
    }
    let message = format!("it asked for JSON out of a document of {bytes} bytes; at most {MAX_PARSED} are parsed. Read it piecewise");
    Err(fault(FaultClass::RunOutput, message).into())
}

/// Takes fuel for a host call that moves so many bytes.
fn charge(store: &mut Store<'_>, bytes: usize) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    let left = store.get_fuel()?.checked_sub(CALL_FUEL.saturating_add(bytes as u64));
    store.set_fuel(left.unwrap_or(0))?;
    left.map(|_| ()).ok_or_else(|| Trap::OutOfFuel.into())
}
