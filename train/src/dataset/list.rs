//! Reads the CSV file of a dataset, as people and their spreadsheets write it.

use std::path::Path;

use super::config::{DatasetConfig, Format};
use super::entry::Entry;
use crate::error::{Context, Result, ensure, failure};

/// Columns that the file must have.
const COLUMNS: [&str; 3] = ["image", "place", "split"];
/// Other words for the splits that the command needs, used if the list does not have the name itself.
const OTHER_WORDS: [(&str, &str); 4] = [
    ("training", "train"),
    ("validation", "val"),
    ("valid", "val"),
    ("testing", "test"),
];

/// Reads the lines of `path`: fields between commas, semicolons or tabs, columns in any order, names of columns and splits in any case.
pub(super) fn read(config: &DatasetConfig, path: &Path) -> Result<Vec<Entry>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(bytes).ok().ok_or_else(|| {
        failure!(
            Dataset,
            "{} is not UTF-8 text: save a spreadsheet as CSV (UTF-8) first",
            path.display()
        )
    })?;
    // Spreadsheets write a byte order mark first.
    let text = text.trim_start_matches('\u{feff}');
    let delimiter = delimiter_of(text.lines().next().unwrap_or(""));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let bad_line = || format!("{} has a line that cannot be read", path.display());
    let header = reader.headers().with_context(bad_line)?.clone();
    let column = |name: &str| {
        let found = header.iter().position(|title| title.eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            failure!(
                Dataset,
                "{} has no column `{name}`: its first line names {}, but {} are needed",
                path.display(),
                header.iter().collect::<Vec<_>>().join(", "),
                COLUMNS.join(", ")
            )
        })
    };
    let [image, place, split] = [column(COLUMNS[0])?, column(COLUMNS[1])?, column(COLUMNS[2])?];
    let mut entries = Vec::new();
    for row in reader.records() {
        let row = row.with_context(bad_line)?;
        let field = |index: usize| row.get(index).unwrap_or("").to_owned();
        // Spreadsheets keep empty lines as lines of separators.
        if row.iter().all(str::is_empty) {
            continue;
        }
        let entry = Entry {
            image: image_name(config, &field(image)),
            place: field(place),
            split: field(split),
        };
        ensure!(
            Dataset,
            !entry.image.is_empty() && !entry.place.is_empty() && !entry.split.is_empty(),
            "{} has a line with an empty image, place or split ({entry:?})",
            path.display()
        );
        entries.push(entry);
    }
    Ok(entries)
}

/// What separates the fields, by the first line.
fn delimiter_of(header: &str) -> u8 {
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    // Of equal counts, the first wins: a list of one column has no separator.
    let most = [b'\t', b';', b','].into_iter().max_by_key(count);
    most.unwrap_or(b',')
}

/// An image's name as in the dataset: without the file's extension, the folder of the images and backslashes.
fn image_name(config: &DatasetConfig, listed: &str) -> String {
    if config.format == Format::Npz {
        return listed.to_owned();
    }
    let name = listed.replace('\\', "/");
    let name = name.trim_start_matches("./");
    // A window's name ends in its corner, which is not an extension.
    let (scene, corner) = match config.scene_of(name) {
        (scene, Some(_)) => (scene, name.get(scene.len()..).unwrap_or("")),
        (scene, None) => (scene, ""),
    };
    let is_there = |scene: &str| config.image_path(scene).is_file();
    let bare = match scene.rsplit_once('.') {
        Some((bare, extension)) if config.format.has_extension(extension) && !is_there(scene) => bare,
        _ => scene,
    };
    let folder = config.images.trim_matches('/');
    let inside = bare.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    let bare = match inside {
        Some(inside) if !is_there(bare) && is_there(inside) => inside,
        _ => bare,
    };
    format!("{bare}{corner}")
}

/// One spelling for each split: lower case, and `train`, `val` and `test` for the words that mean them.
pub(super) fn unify_splits(entries: &mut [Entry]) {
    for entry in entries.iter_mut() {
        entry.split = entry.split.trim().to_lowercase();
    }
    for (word, split) in OTHER_WORDS {
        let is_taken = entries.iter().any(|entry| entry.split == split);
        for entry in entries.iter_mut().filter(|entry| !is_taken && entry.split == word) {
            split.clone_into(&mut entry.split);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(splits: &[&str]) -> Vec<Entry> {
        let entry = |split: &&str| Entry {
            image: "a".into(),
            place: "b".into(),
            split: (*split).to_owned(),
        };
        splits.iter().map(entry).collect()
    }

    #[test]
    fn splits_are_one_in_any_case_and_by_their_usual_words() {
        let unified = |splits: &[&str]| {
            let mut entries = entries(splits);
            unify_splits(&mut entries);
            entries.into_iter().map(|entry| entry.split).collect::<Vec<_>>()
        };
        assert_eq!(
            unified(&["Train", "TRAIN ", "Validation", "Testing"]),
            ["train", "train", "val", "test"]
        );
        // A list that has both means both.
        assert_eq!(unified(&["val", "validation"]), ["val", "validation"]);
        assert_eq!(unified(&["Fold_1"]), ["fold_1"]);
    }

    #[test]
    fn fields_are_separated_by_what_the_first_line_has_most_of() {
        assert_eq!(delimiter_of("image,place,split"), b',');
        assert_eq!(delimiter_of("image;place;split"), b';');
        assert_eq!(delimiter_of("image\tplace, with comma\tsplit"), b'\t');
        assert_eq!(delimiter_of("image"), b',');
    }
}
