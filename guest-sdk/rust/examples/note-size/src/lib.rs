//! A hook: keeps the number of changed files with the phase run.

use orc_guest::prelude::*;
use orc_guest::{Attribute, log};

/// The hook.
pub struct NoteSize;

impl Hook for NoteSize {
    type Settings = NoSettings;

    fn run(facts: &Facts, _: &NoSettings, _: &dyn Documents) -> Result<Vec<Effect>, Declined> {
        log::info(&format!("{} at {}", facts.context.phase, facts.context.position));
        Ok(vec![Effect::Annotate(Attribute { name: "changed_files".to_owned(), value: facts.changes.len().to_string() })])
    }
}

orc_guest::hook!(NoteSize, "examples/note-size/guest.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use orc_guest::testing::{TestDocuments, added, check_manifest, facts};

    #[test]
    fn it_counts_files() {
        check_manifest(<NoteSize as orc_guest::Described>::MANIFEST);
        let effects = NoteSize::run(&facts(vec![added("a"), added("b")]), &NoSettings {}, &TestDocuments::none()).unwrap();
        assert_eq!(effects, [Effect::Annotate(Attribute { name: "changed_files".to_owned(), value: "2".to_owned() })]);
    }
}
