//! The recipes of `docs/cookbook.md`, run as they stand there: each ends with the output that it shows, on one, two and three
//! workers.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// A recipe: its title, and its files by name, in order.
struct Recipe {
    title: String,
    files: Vec<(String, String)>,
}

impl Recipe {
    fn named(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .filter(move |(name, _)| name.ends_with(end))
    }
}

/// A chapter is a recipe; a block belongs to the name in backticks on the line above it.
fn recipes(text: &str) -> Vec<Recipe> {
    let mut recipes: Vec<Recipe> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            recipes.push(Recipe { title: title.to_owned(), files: Vec::new() });
        }
        let name = line.strip_prefix('`').and_then(|line| line.strip_suffix('`'));
        if let (Some(name), Some(recipe)) = (name, recipes.last_mut())
            && lines.next_if(|line| line.starts_with("```")).is_some()
        {
            let block =
                lines.by_ref().take_while(|line| *line != "```").fold(String::new(), |text, line| text + line + "\n");
            recipe.files.push((name.to_owned(), block));
        }
    }
    recipes
}

#[test]
fn every_recipe_gives_what_it_shows() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cookbook.md")).unwrap();
    let recipes = recipes(&text);
    assert_eq!(recipes.len(), 10);
    for recipe in &recipes {
        let results: Vec<_> = recipe
            .named(".ndjson")
            .filter(|(name, _)| recipe.named(".sql").any(|(_, sql)| writes(sql, name)))
            .collect();
        assert_eq!(results.len(), 1, "{}: one file is the output", recipe.title);
        for workers in ["1", "2", "3"] {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in recipe.files.iter().filter(|(name, _)| name != results[0].0) {
                fs::write(folder.path().join(name), text).unwrap();
            }
            for (program, _) in recipe.named(".sql") {
                let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
                    .args(["run", program, "--exit-at-end", "--no-serve", "-w", workers])
                    .current_dir(folder.path())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}: {said}", recipe.title);
            }
            let (name, shown) = results[0];
            let found = fs::read_to_string(folder.path().join(name)).unwrap();
            assert_eq!(sorted(&found), sorted(shown), "{}, {workers} workers", recipe.title);
        }
    }
}

/// Whether a program has a sink on that file.
fn writes(sql: &str, name: &str) -> bool {
    sql.split("CREATE ").any(|statement| statement.starts_with("SINK") && statement.contains(&format!("'{name}'")))
}

/// Rows of one epoch have no order of their own across groups.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}
