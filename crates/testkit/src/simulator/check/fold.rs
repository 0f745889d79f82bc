//! Rule: the records alone give the stored views, byte for byte.
//! Whether the records themselves are whole is `chain`'s question.

use super::{Rule, Violation, broken};
use journal::{PAGE_RECORDS_MAX, Reader, Record, Scan};
use runner::projection::{Fold, VIEWS};
use std::collections::BTreeMap;

/// Folds the records and compares every view.
pub(in crate::simulator) fn judge(reader: &Reader, records: &[Record]) -> Result<(), Violation> {
    let mut fold = Fold::default();
    let mut views: BTreeMap<&str, BTreeMap<Vec<u8>, Vec<u8>>> = BTreeMap::new();
    for change in records.iter().flat_map(|record| fold.take(record)) {
        let rows = views.entry(change.view).or_default();
        match change.value {
            Some(value) => rows.insert(change.key, value),
            None => rows.remove(&change.key),
        };
    }
    for view in VIEWS {
        let stored = reader
            .view_scan(view, &Scan::default(), PAGE_RECORDS_MAX)
            .map_err(|error| broken(Rule::Fold, error.to_string()))?;
        let folded: Vec<_> = views.remove(view).unwrap_or_default().into_iter().collect();
        if let Some((folded, stored)) = first_difference(&folded, &stored) {
            let detail = format!("view `{view}`: records give {folded}, stored is {stored}");
            return Err(broken(Rule::Fold, detail));
        }
    }
    Ok(())
}

type Row = (Vec<u8>, Vec<u8>);

fn first_difference(folded: &[Row], stored: &[Row]) -> Option<(String, String)> {
    let text = |row: Option<&Row>| match row {
        Some((_, value)) => String::from_utf8_lossy(value).into_owned(),
        None => "nothing".to_owned(),
    };
    let rows =
        (0..folded.len().max(stored.len())).map(|place| (folded.get(place), stored.get(place)));
    rows.into_iter()
        .find(|(folded, stored)| folded != stored)
        .map(|(folded, stored)| (text(folded), text(stored)))
}
