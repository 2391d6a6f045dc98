//! The documents of one call: large inputs that stay with the host.

use std::collections::BTreeMap;
use std::sync::Arc;

use orc_domain::ports::Document;
use serde_json::Value;
use tokio::sync::OnceCell;

/// The largest document that is parsed for `pointer`, in bytes: a parsed document takes several times its size.
pub(crate) const MAX_PARSED: usize = 16 * 1024 * 1024;

/// Above this many bytes, parsing gets a thread of its own.
const PARSED_INLINE: usize = 64 * 1024;

/// A document, with its JSON once somebody asked for it.
#[derive(Clone)]
pub(crate) struct GuestDocument {
    pub(crate) media_type: String,
    pub(crate) bytes: Arc<[u8]>,
    json: Arc<OnceCell<Option<Arc<Value>>>>,
}

impl GuestDocument {
    fn new(document: Document) -> Self {
        Self { media_type: document.media_type, bytes: document.bytes, json: Arc::default() }
    }

    /// Whether [`GuestDocument::json`] has yet to parse.
    pub(crate) fn unparsed(&self) -> bool {
        !self.json.initialized()
    }

    /// The document as JSON, parsed at the first call; `None` where it is none.
    pub(crate) async fn json(&self) -> Option<Arc<Value>> {
        self.json.get_or_init(|| parse(Arc::clone(&self.bytes))).await.clone()
    }

    /// At most `len` bytes from `offset`; empty at the end.
    pub(crate) fn read(&self, offset: u64, len: u32) -> &[u8] {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let to = from.saturating_add(len as usize).min(self.bytes.len());
        &self.bytes[from..to]
    }
}

async fn parse(bytes: Arc<[u8]>) -> Option<Arc<Value>> {
    let inline = bytes.len() <= PARSED_INLINE;
    let parse = move || serde_json::from_slice(&bytes).ok().map(Arc::new);
    if inline { parse() } else { tokio::task::spawn_blocking(parse).await.ok().flatten() }
}

/// The documents of one call, by position; a guest's handle is a position.
#[derive(Default)]
pub(crate) struct Documents(Vec<(String, GuestDocument)>);

impl Documents {
    pub(crate) fn new(documents: BTreeMap<String, Document>) -> Self {
        Self(documents.into_iter().map(|(name, document)| (name, GuestDocument::new(document))).collect())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn position(&self, name: &str) -> Option<u32> {
        self.0.iter().position(|(candidate, _)| candidate == name).and_then(|at| u32::try_from(at).ok())
    }

    pub(crate) fn at(&self, position: u32) -> Option<&GuestDocument> {
        self.0.get(position as usize).map(|(_, document)| document)
    }
}
