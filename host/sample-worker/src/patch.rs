//! Unified diffs of text files, as git writes them. Strict: what is not understood is refused, never skipped.

/// One file's change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FilePatch {
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) hunks: Vec<Hunk>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Create { executable: bool },
    Modify,
    Delete,
}

/// Lines with their line breaks, in the place where they stand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// Lines of the old file before it.
    old_before: usize,
    /// Lines of the new file before it.
    new_before: usize,
    lines: Vec<(Sign, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Keep,
    Remove,
    Add,
}

impl FilePatch {
    /// Lines that it adds and removes.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let count = |sign| self.hunks.iter().flat_map(|hunk| &hunk.lines).filter(|(own, _)| *own == sign).count();
        (count(Sign::Add), count(Sign::Remove))
    }

    /// The new content. Every line that is kept or removed must stand exactly where the patch says.
    pub(crate) fn apply(&self, old: &str) -> Result<String, String> {
        let old: Vec<&str> = old.split_inclusive('\n').collect();
        let mut new = Vec::new();
        let mut at = 0;
        for hunk in &self.hunks {
            let between = old.get(at..hunk.old_before).ok_or_else(|| self.misfit(hunk.old_before))?;
            new.extend_from_slice(between);
            at = hunk.old_before;
            if new.len() != hunk.new_before {
                return Err(self.misfit(at));
            }
            for (sign, line) in &hunk.lines {
                if *sign != Sign::Add {
                    if old.get(at) != Some(&line.as_str()) {
                        return Err(self.misfit(at));
                    }
                    at += 1;
                }
                if *sign != Sign::Remove {
                    new.push(line);
                }
            }
        }
        new.extend_from_slice(&old[at..]);
        Ok(new.concat())
    }

    fn misfit(&self, line: usize) -> String {
        format!("the patch does not fit `{}` at line {}", self.path, line + 1)
    }
}

/// Reads a whole patch.
pub(crate) fn parse(text: &str) -> Result<Vec<FilePatch>, String> {
    let mut reader = Reader { lines: text.split_inclusive('\n').collect(), at: 0 };
    let mut files: Vec<FilePatch> = Vec::new();
    while reader.peek().is_some() {
        let file = reader.file()?;
        check_path(&file.path)?;
        if files.iter().any(|other| other.path == file.path) {
            return Err(format!("the patch has `{}` twice", file.path));
        }
        files.push(file);
    }
    if files.is_empty() { Err("the patch is empty".to_owned()) } else { Ok(files) }
}

/// Whether a path stays in the workspace and out of git's own directory, by its words alone.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let bad = |part: &str| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git");
    if path.starts_with('"') || path.chars().any(|c| c.is_control() || c == '\\') || path.split('/').any(bad) {
        return Err(format!("the path `{}` is none in the workspace", path.escape_debug()));
    }
    Ok(())
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

/// What stands before a file's hunks.
#[derive(Default)]
struct Header {
    path: Option<String>,
    created: Option<bool>,
    deleted: bool,
}

impl<'a> Reader<'a> {
    /// The next line without its line break.
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).map(|line| line.strip_suffix('\n').unwrap_or(line))
    }

    fn refuse<T>(&self, why: &str) -> Result<T, String> {
        Err(format!("line {} of the patch: {why}", self.at + 1))
    }

    fn file(&mut self) -> Result<FilePatch, String> {
        let mut header = Header::default();
        if let Some(names) = self.peek().and_then(|line| line.strip_prefix("diff --git ")) {
            let Some(path) = same_path(names) else { return self.refuse("two names, or one that is quoted") };
            header.path = Some(path.to_owned());
            self.at += 1;
            self.extended(&mut header)?;
        }
        let named = self.peek().is_some_and(|line| line.starts_with("--- "));
        if named {
            self.names(&mut header)?;
        }
        let hunks = self.hunks()?;
        let kind = match header {
            Header { created: Some(executable), deleted: false, .. } => Kind::Create { executable },
            Header { created: None, deleted: true, .. } => Kind::Delete,
            Header { created: None, deleted: false, .. } => Kind::Modify,
            Header { .. } => return self.refuse("a file that is created and deleted"),
        };
        match header.path {
            Some(path) if named != hunks.is_empty() && (named || kind != Kind::Modify) => Ok(FilePatch { path, kind, hunks }),
            _ => self.refuse("expected a file's header and its changes"),
        }
    }

    fn extended(&mut self, header: &mut Header) -> Result<(), String> {
        while let Some(line) = self.peek() {
            match line.split_once(" mode ") {
                Some(("new file", "100644")) => header.created = Some(false),
                Some(("new file", "100755")) => header.created = Some(true),
                Some(("deleted file", "100644" | "100755")) => header.deleted = true,
                _ if line.starts_with("index ") => {}
                _ if line.starts_with("--- ") || line.starts_with("diff --git ") => return Ok(()),
                _ => return self.refuse("only text files are created, changed and deleted"),
            }
            self.at += 1;
        }
        Ok(())
    }

    fn names(&mut self, header: &mut Header) -> Result<(), String> {
        let (old, new) = (self.name("--- ", "a/")?, self.name("+++ ", "b/")?);
        let path = match (old, new) {
            (None, Some(new)) => {
                header.created.get_or_insert(false);
                new
            }
            (Some(old), None) => {
                header.deleted = true;
                old
            }
            (Some(old), Some(new)) if old == new && header.created.is_none() && !header.deleted => new,
            _ => return self.refuse("the names of the file contradict each other"),
        };
        match &header.path {
            Some(named) if *named != path => self.refuse("the names of the file contradict each other"),
            _ => {
                header.path = Some(path);
                Ok(())
            }
        }
    }

    /// The name behind `mark`; `None` for `/dev/null`.
    fn name(&mut self, mark: &str, side: &str) -> Result<Option<String>, String> {
        let Some(name) = self.peek().and_then(|line| line.strip_prefix(mark)) else { return self.refuse("expected the name of a file") };
        // Behind a tab stands a time, or nothing where the name has a space.
        let name = name.split('\t').next().unwrap_or(name);
        let path = match name.strip_prefix(side) {
            _ if name == "/dev/null" => None,
            Some(path) => Some(path.to_owned()),
            None => return self.refuse("expected a name that begins with `a/` or `b/`"),
        };
        self.at += 1;
        Ok(path)
    }

    fn hunks(&mut self) -> Result<Vec<Hunk>, String> {
        let mut hunks = Vec::new();
        while let Some(header) = self.peek().and_then(|line| line.strip_prefix("@@ -")) {
            let Some((old, new)) = ranges(header) else { return self.refuse("expected `@@ -line,count +line,count @@`") };
            self.at += 1;
            let lines = self.hunk_lines(old.1, new.1)?;
            hunks.push(Hunk { old_before: before(old), new_before: before(new), lines });
        }
        Ok(hunks)
    }

    fn hunk_lines(&mut self, mut old: usize, mut new: usize) -> Result<Vec<(Sign, String)>, String> {
        let mut lines: Vec<(Sign, String)> = Vec::new();
        while let Some(line) = self.lines.get(self.at).copied() {
            let (sign, text) = match line.split_at_checked(1) {
                Some((" ", text)) if old > 0 && new > 0 => (Sign::Keep, text),
                Some(("-", text)) if old > 0 => (Sign::Remove, text),
                Some(("+", text)) if new > 0 => (Sign::Add, text),
                Some(("\\", _)) => match lines.last_mut() {
                    Some((_, last)) if last.ends_with('\n') => {
                        last.pop();
                        self.at += 1;
                        continue;
                    }
                    _ => return self.refuse("a line that ends nothing"),
                },
                _ => break,
            };
            if !text.ends_with('\n') {
                return self.refuse("the patch breaks off");
            }
            old -= usize::from(sign != Sign::Add);
            new -= usize::from(sign != Sign::Remove);
            lines.push((sign, text.to_owned()));
            self.at += 1;
        }
        if old == 0 && new == 0 { Ok(lines) } else { self.refuse("the hunk ends before its lines are all there") }
    }
}

/// `a/x b/x`: x.
fn same_path(names: &str) -> Option<&str> {
    let length = names.len().checked_sub("a/ b/".len())? / 2;
    let path = names.strip_prefix("a/")?.get(..length)?;
    (names.get(2 + length..)?.strip_prefix(" b/")? == path).then_some(path)
}

/// `1,2 +3,4 @@ ...`
fn ranges(header: &str) -> Option<((usize, usize), (usize, usize))> {
    let (ranges, _) = header.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    Some((range(old)?, range(new)?))
}

fn range(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str| if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
    match text.split_once(',') {
        Some((start, count)) => Some((number(start)?, number(count)?)),
        None => Some((number(text)?, 1)),
    }
}

/// How many lines stand before a range. An empty range names the line behind which it stands, another its own first.
const fn before((start, count): (usize, usize)) -> usize {
    if count == 0 { start } else { start.saturating_sub(1) }
}
