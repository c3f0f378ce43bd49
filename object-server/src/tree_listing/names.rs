//! Pages over names that are all in memory.

use common::functional::account;
use common::functional::listing::Query;

use super::window::{Cut, Verdict, Window};

/// One line of a page over names in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a, T> {
    /// What bears the name.
    Item(&'a T),
    /// Names rolled up.
    Subdir(String),
}

/// The page of `items`, which are in byte order of their names, that a query asks for.
pub fn page_of_names<'a, T>(items: &'a [T], name: impl Fn(&T) -> &str, query: &Query) -> Vec<Line<'a, T>> {
    let window = Window::new(query);
    let mut lines = Vec::new();
    let Some(cut) = window.start() else { return lines };
    let left_of = |cut: &Cut| items.partition_point(|item| cut.is_left(name(item)));
    // What is still to be looked at.
    let split = left_of(&cut);
    let mut rest = if query.reverse {
        0..split
    } else {
        split..items.len()
    };
    while lines.len() < query.limit {
        let next = if query.reverse {
            rest.next_back()
        } else {
            rest.next()
        };
        let Some(item) = next.and_then(|index| items.get(index)) else {
            break;
        };
        let group = match window.judge(name(item)) {
            Verdict::Past => break,
            Verdict::Outside => continue,
            Verdict::Listed => {
                lines.push(Line::Item(item));
                continue;
            }
            Verdict::Rolled(group) => {
                lines.push(Line::Subdir(group.to_owned()));
                group
            }
            Verdict::Hidden(group) => group,
        };
        if query.reverse {
            rest.end = left_of(&Cut::Before(group.to_owned())).max(rest.start);
        } else {
            rest.start = left_of(&Cut::AfterPrefix(group.to_owned())).min(rest.end);
        }
    }
    lines
}

/// The page of an account's containers, which are in byte order of their names.
pub fn account_page(containers: &[account::Entry], query: &Query) -> Vec<account::Entry> {
    let lines = page_of_names(containers, entry_name, query);
    lines
        .into_iter()
        .map(|line| match line {
            Line::Item(entry) => entry.clone(),
            Line::Subdir(name) => account::Entry::Subdir(name),
        })
        .collect()
}

fn entry_name(entry: &account::Entry) -> &str {
    match entry {
        account::Entry::Container { name, .. } => name.as_str(),
        account::Entry::Subdir(name) => name,
    }
}
