//! The report: the settings, and a table in Markdown with a line for each thing measured.

use std::fmt;

use crate::samples::{Samples, number};

/// What has been measured so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    settings: Vec<(String, String)>,
    lines: Vec<Line>,
    pictures: Vec<Picture>,
}

/// A bar for each size.
#[derive(Debug)]
struct Picture {
    title: String,
    bars: Vec<(usize, f64)>,
}

/// The longest bar, in characters.
const WIDTH: f64 = 50.0;

/// One thing measured.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) work: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Samples,
    /// What it is compared with, by name.
    pub(crate) other: Option<(String, Samples)>,
    pub(crate) target: Option<Target>,
    /// What went wrong on either side; a line with it is worth nothing.
    pub(crate) failures: Vec<String>,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// So many times the other, or more.
    TimesOrMore(f64),
    /// So many times the other, or less.
    TimesOrLess(f64),
    /// Less than this.
    Below(f64),
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Report {
    pub(crate) fn set(&mut self, what: &str, value: impl Into<String>) {
        self.settings.push((what.to_owned(), value.into()));
    }

    pub(crate) fn add(&mut self, line: Line) {
        crate::note(&line.to_string());
        self.lines.push(line);
    }

    /// Draws what something costs by how much there is, as bars of which the longest has the whole width.
    pub(crate) fn draw(&mut self, title: &str, bars: Vec<(usize, f64)>) {
        self.pictures.push(Picture {
            title: title.to_owned(),
            bars,
        });
    }

    /// Whether nothing went wrong; a target that is missed is a result like any other.
    pub(crate) fn is_complete(&self) -> bool {
        self.lines.iter().all(|line| line.failures.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "| work | unit | stobj | compared with | ratio | to reach | reached |"
        )?;
        writeln!(formatter, "|---|---|---|---|---|---|---|")?;
        for line in &self.lines {
            writeln!(formatter, "{line}")?;
        }
        writeln!(formatter)?;
        for (what, value) in &self.settings {
            writeln!(formatter, "* {what}: {value}")?;
        }
        for line in &self.lines {
            for failure in &line.failures {
                writeln!(formatter, "* **failed**: {}: {failure}", line.work)?;
            }
        }
        self.pictures
            .iter()
            .try_for_each(|picture| write!(formatter, "\n{picture}"))
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "```text\n{}\n", self.title)?;
        let most = self.bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        for (size, value) in &self.bars {
            let length = if most > 0.0 {
                (value / most * WIDTH).round()
            } else {
                0.0
            };
            let bar = "█".repeat(length as usize);
            let size = match size {
                0..1000 => size.to_string(),
                _ => number(*size as f64),
            };
            writeln!(formatter, "{size:>10} {bar} {}", number(*value))?;
        }
        writeln!(formatter, "```")
    }
}

impl Line {
    fn ratio(&self) -> Option<f64> {
        let (_, other) = self.other.as_ref()?;
        Some(self.ours.median() / other.median())
    }

    fn is_reached(&self) -> Option<bool> {
        let reached = match self.target? {
            Target::TimesOrMore(times) => self.ratio()? >= times,
            Target::TimesOrLess(times) => self.ratio()? <= times,
            Target::Below(limit) => self.ours.median() < limit,
            Target::AtMost(limit) => self.ours.median() <= limit,
            Target::AtLeast(limit) => self.ours.median() >= limit,
        };
        Some(reached)
    }
}

/// The line of the table.
impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "| {} | {} | {} | ", self.work, self.unit, self.ours)?;
        match &self.other {
            Some((name, samples)) => write!(formatter, "{name} {samples} | ")?,
            None => write!(formatter, "– | ")?,
        }
        match self.ratio() {
            Some(ratio) => write!(formatter, "{} | ", number(ratio))?,
            None => write!(formatter, "– | ")?,
        }
        match self.target {
            Some(target) => write!(formatter, "{target} | ")?,
            None => write!(formatter, "– | ")?,
        }
        let verdict = match (self.failures.is_empty(), self.is_reached()) {
            (false, _) => "**failed**",
            (true, Some(true)) => "yes",
            (true, Some(false)) => "**no**",
            (true, None) => "–",
        };
        write!(formatter, "{verdict} |")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesOrMore(times) => write!(formatter, "≥ {times} ×"),
            Self::TimesOrLess(times) => write!(formatter, "≤ {times} ×"),
            Self::Below(limit) => write!(formatter, "< {limit}"),
            Self::AtMost(limit) => write!(formatter, "≤ {limit}"),
            Self::AtLeast(limit) => write!(formatter, "≥ {limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ours: f64, other: f64, target: Target) -> Line {
        let samples = |value| {
            let mut samples = Samples::default();
            samples.push(value);
            samples
        };
        Line {
            work: "GET".to_owned(),
            unit: "a second",
            ours: samples(ours),
            other: Some(("peer".to_owned(), samples(other))),
            target: Some(target),
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_line_says_whether_the_target_is_reached() {
        for (ours, other, target, reached) in [
            (50.0, 100.0, Target::TimesOrMore(0.5), true),
            (49.0, 100.0, Target::TimesOrMore(0.5), false),
            (20.0, 10.0, Target::TimesOrLess(2.0), true),
            (21.0, 10.0, Target::TimesOrLess(2.0), false),
            (60.0, 1.0, Target::Below(60.0), false),
            (5.0, 1.0, Target::AtMost(5.0), true),
            (5.0, 1.0, Target::AtLeast(5.0), true),
            (4.9, 1.0, Target::AtLeast(5.0), false),
        ] {
            assert_eq!(line(ours, other, target).is_reached(), Some(reached), "{target}");
        }
    }

    #[test]
    fn a_failure_is_no_result() {
        let mut report = Report::default();
        let mut failed = line(50.0, 100.0, Target::TimesOrMore(0.5));
        failed.failures.push("3 answers were 503".to_owned());
        report.add(failed);
        let text = report.to_string();
        assert!(text.contains("| 0.50 | ≥ 0.5 × | **failed** |"), "{text}");
        assert!(text.contains("GET: 3 answers were 503"), "{text}");
        assert!(!report.is_complete());
    }
}
