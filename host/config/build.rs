//! Embeds the stock content of the repository (`src/stock.rs` says what it is), as it is when this crate is built.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const FOLDERS: [&str; 4] = ["config", "policies", "phases/schemas", "phases/prompts"];

#[expect(clippy::disallowed_methods, reason = "cargo talks to build scripts through the environment")]
fn main() -> io::Result<()> {
    let variable = |name: &str| env::var(name).map_err(io::Error::other);
    let repository = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let mut files = Vec::new();
    for folder in FOLDERS {
        // A path that does not exist would make cargo run this at every build.
        if repository.join(folder).is_dir() {
            println!("cargo::rerun-if-changed={}", repository.join(folder).display());
            collect(&repository, Path::new(folder), &mut files)?;
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    files.sort();
    let mut code = String::from("&[\n");
    for path in &files {
        let full = repository.join(path);
        writeln!(code, "    ({path:?}, include_bytes!({full:?})),").map_err(io::Error::other)?;
    }
    code.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("stock.rs"), code)
}

fn collect(repository: &Path, folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(repository.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            collect(repository, &path, files)?;
        } else if !name.starts_with('.') && !name.ends_with('~') {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
