//! Implements `--set KEY=VALUE`, which changes some values of a recipe without another file.

use toml::{Table, Value};

use crate::error::{Context, Result, bail, failure};

/// Puts `assignment` (`optimizer.learning_rate=1e-3`, `loss.main.0.weight=2`) into `recipe`, as [`put`] does.
///
/// # Errors
/// If there is no `=`, and as [`put`].
pub fn set(recipe: &mut Table, assignment: &str) -> Result<()> {
    let (key, text) = assignment
        .split_once('=')
        .ok_or_else(|| failure!(Recipe, "--set {assignment}: write KEY=VALUE"))?;
    put(recipe, key.trim(), value(text.trim())).with_context(|| format!("--set {assignment}"))
}

/// Puts `value` at a dotted key. A number in a key counts the entries of a list from 0; missing sections on the way are created.
///
/// # Errors
/// If the key leads into something that is not a section.
pub fn put(recipe: &mut Table, key: &str, value: Value) -> Result<()> {
    let parts: Vec<&str> = key.split('.').collect();
    let (last, path) = match parts.split_last() {
        Some((last, path)) if !parts.contains(&"") => (*last, path),
        _ => bail!(Recipe, "{key:?} is not a key"),
    };
    let mut place = Entry::Table(recipe);
    for part in path {
        place = place
            .enter(part)
            .ok_or_else(|| failure!(Recipe, "{part} is not a section of the recipe"))?;
    }
    place
        .put(last, value)
        .ok_or_else(|| failure!(Recipe, "there is no {last} to set"))
}

/// Where a key has led so far.
enum Entry<'a> {
    Table(&'a mut Table),
    List(&'a mut Vec<Value>),
}

impl<'a> Entry<'a> {
    fn enter(self, part: &str) -> Option<Self> {
        let inner = match self {
            Self::Table(table) => table.entry(part).or_insert_with(|| Value::Table(Table::new())),
            Self::List(list) => list.get_mut(part.parse::<usize>().ok()?)?,
        };
        match inner {
            Value::Table(table) => Some(Self::Table(table)),
            Value::Array(list) => Some(Self::List(list)),
            _ => None,
        }
    }

    fn put(self, part: &str, value: Value) -> Option<()> {
        match self {
            Self::Table(table) => {
                table.insert(part.to_owned(), value);
            }
            Self::List(list) => *list.get_mut(part.parse::<usize>().ok()?)? = value,
        }
        Some(())
    }
}

/// Reads a value as TOML does; anything that is not a TOML value is text, so that names need no quotes.
fn value(text: &str) -> Value {
    let read = toml::from_str::<Table>(&format!("value = {text}"));
    let read = read.ok().filter(|table| table.len() == 1);
    read.and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(assignments: &[&str]) -> Table {
        let mut recipe: Table = toml::from_str("seed = 1\n[[loss.main]]\nkind = 'dice'\nweight = 1.0\n").expect("TOML");
        for assignment in assignments {
            set(&mut recipe, assignment).expect(assignment);
        }
        recipe
    }

    #[test]
    fn values_are_put_where_the_key_leads() {
        let recipe = after(&[
            "seed=7",
            "loss.main.0.weight = 2.5",
            "sampling.kind=uniform",
            "loss.extra=[1, 2]",
        ]);
        assert_eq!(recipe["seed"].as_integer(), Some(7));
        assert_eq!(recipe["loss"]["main"][0]["weight"].as_float(), Some(2.5));
        assert_eq!(recipe["sampling"]["kind"].as_str(), Some("uniform"));
        assert_eq!(recipe["loss"]["extra"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_value_cannot_smuggle_in_a_second_key() {
        let recipe = after(&["name=1\nseed = 2"]);
        assert_eq!(recipe["name"].as_str(), Some("1\nseed = 2"));
        assert_eq!(recipe["seed"].as_integer(), Some(1));
    }

    #[test]
    fn what_leads_nowhere_is_an_error_that_repeats_it() {
        for wrong in [
            "seed",
            "=1",
            "a..b=1",
            "seed.inner=1",
            "loss.main.7.weight=1",
            "loss.main.x=1",
        ] {
            let error = set(&mut after(&[]), wrong).expect_err(wrong);
            assert!(format!("{error:#}").contains(wrong), "{error:#}");
        }
    }
}
