//! Writes `docs/states.md` from the transition functions: `cargo xtask states`.

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/states.md");
    std::fs::write(path, orc_domain::states::document())
}
