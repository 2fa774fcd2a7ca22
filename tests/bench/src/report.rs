//! `docs/bench.md`: what each line means, what was measured, and whether it is what the project
//! wants.

use std::fmt::Write as _;

use crate::measure::{Figures, Pair};

/// One table.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) about: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) notes: Vec<String>,
}

/// One row of a table.
pub(crate) struct Line {
    what: String,
    ours: Figures,
    bare: Option<Figures>,
    ratio: Option<f64>,
    target: Option<Target>,
}

/// What the project wants of an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// Operations a second at least.
    Rate(f64),
    /// Microseconds of processor time at most.
    Cpu(f64),
    /// Microseconds that 99 of 100 stay below.
    P99(f64),
}

impl Line {
    pub(crate) fn new(what: impl Into<String>, pair: Pair) -> Self {
        Self {
            what: what.into(),
            ours: pair.ours,
            bare: Some(pair.bare),
            ratio: Some(pair.ratio),
            target: None,
        }
    }

    #[must_use]
    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    fn row(&self) -> String {
        let cpu = if self.ours.cpu > 0.0 {
            time(self.ours.cpu)
        } else {
            "–".into()
        };
        let bare = self.bare.map_or("–".into(), |b| number(b.per_second));
        let ratio = self.ratio.map_or("–".into(), |r| format!("{r:.2}"));
        let target = self.target.map_or("–".into(), |t| t.said(&self.ours));
        format!(
            "| {} | {} | {} | {} | {cpu} | {bare} | {ratio} | {target} |",
            self.what,
            number(self.ours.per_second),
            time(self.ours.p50),
            time(self.ours.p99),
        )
    }
}

impl Target {
    fn said(self, figures: &Figures) -> String {
        let (wanted, met) = match self {
            Self::Rate(rate) => (format!("≥ {}/s", number(rate)), figures.per_second >= rate),
            Self::Cpu(most) => (format!("≤ {} CPU", time(most)), figures.cpu <= most),
            Self::P99(most) => (format!("p99 < {}", time(most)), figures.p99 < most),
        };
        format!("{wanted}: {}", if met { "met" } else { "**missed**" })
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    let places = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), ""), |(w, r)| (w, r));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() {
        grouped
    } else {
        format!("{grouped}.{rest}")
    }
}

/// Microseconds in the unit that reads best.
pub(crate) fn time(micros: f64) -> String {
    match micros {
        t if t >= 1e6 => format!("{} s", number(t / 1e6)),
        t if t >= 1e3 => format!("{} ms", number(t / 1e3)),
        t => format!("{} µs", number(t)),
    }
}

/// The whole page.
pub(crate) fn page(facts: &[(&'static str, String)], shared: f64, sections: &[Section]) -> String {
    let mut out = String::from(
        "# Measurements\n\n`./x bench` writes this page (release profile). Nothing here is asserted \
         by a test: times\ndiffer between machines. Compare the ratios, which are taken in turns \
         within one run.\n\n| | |\n|---|---|\n",
    );
    for (name, value) in facts {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    let _ = writeln!(
        out,
        "| Other work on the machine | {:.0} % of all cores, the most seen between the parts |",
        shared * 100.0
    );
    if shared >= 0.05 {
        out.push_str(
            "\nThe machine was shared with other work: absolute figures are lower than on a quiet \
             one.\n",
        );
    }
    out.push_str(
        "\n**Per second**: operations. **p50, p99**: half and 99 of 100 operations took at most \
         this.\n**CPU**: processor time of one operation, of the platform alone where it is a \
         process of its own.\n**Baseline**: what the line is measured beside, operations a second. \
         **Ratio**: how many times the\nbaseline's time one operation takes, the median over the \
         rounds. **Target**: what the project\nwants on two cores, where it says so.\n",
    );
    for section in sections {
        let _ = write!(out, "\n## {}\n\n{}\n\n", section.title, section.about);
        out.push_str("| | per second | p50 | p99 | CPU | baseline | ratio | target |\n");
        out.push_str("|---|--:|--:|--:|--:|--:|--:|---|\n");
        for line in &section.lines {
            let _ = writeln!(out, "{}", line.row());
        }
        if !section.notes.is_empty() {
            out.push('\n');
        }
        for note in &section.notes {
            let _ = writeln!(out, "- {note}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count_and_grouped_thousands() {
        let shown = [0.123, 1.234, 12.34, 123.4, 1234.5, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.12", "1.23", "12.3", "123", "1,234", "1,234,567"]);
        assert_eq!(time(43.2), "43.2 µs");
        assert_eq!(time(1500.0), "1.50 ms");
    }

    #[test]
    fn a_target_says_whether_it_is_met() {
        let figures = Figures {
            per_second: 10.0,
            p50: 1.0,
            p99: 2.0,
            cpu: 50.0,
        };
        assert_eq!(Target::Rate(10.0).said(&figures), "≥ 10.0/s: met");
        assert_eq!(
            Target::Cpu(43.0).said(&figures),
            "≤ 43.0 µs CPU: **missed**"
        );
        assert_eq!(Target::P99(3.0).said(&figures), "p99 < 3.00 µs: met");
    }
}
