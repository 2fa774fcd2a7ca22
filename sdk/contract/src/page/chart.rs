//! Charts. Figures are for drawing only; exact ones stand in facts and tables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A chart with the sentence that replaces it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chart {
    #[serde(flatten)]
    pub shape: Shape,
    /// Read aloud, printed, and shown where no chart can be drawn.
    pub summary: String,
    /// Unit of the figures: 万元, %, 分.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shape", rename_all = "kebab-case")]
pub enum Shape {
    Line(Axis),
    Bar(Axis),
    /// Horizontal bars from zero to both sides: ranks, contributions to a score.
    Rank {
        parts: Vec<Part>,
    },
    Gauge(Gauge),
    /// Receiver operating characteristic; both axes 0 to 1, the diagonal is drawn.
    Roc(Roc),
    Radar(Radar),
}

/// Categories and the series over them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    pub categories: Vec<String>,
    pub series: Vec<Series>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    pub name: String,
    /// One for each category; null is a gap.
    pub points: Vec<Option<f64>>,
    /// Drawn as a line over the bars of the others.
    #[serde(default)]
    pub as_line: bool,
    /// Has its own scale at the right.
    #[serde(default)]
    pub second_axis: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    pub name: String,
    pub amount: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gauge {
    pub amount: f64,
    pub min: f64,
    pub max: f64,
    /// The word for where the needle stands: 良好.
    pub label: String,
    /// From low to high.
    pub bands: Vec<Band>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Band {
    pub upto: f64,
    pub label: String,
    pub tone: crate::def::Tone,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Roc {
    pub curves: Vec<Curve>,
}

/// Points of (false positive rate, true positive rate), ascending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curve {
    pub name: String,
    pub points: Vec<[f64; 2]>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Radar {
    /// Name of each axis and its full scale.
    pub axes: Vec<Part>,
    pub series: Vec<Series>,
}

impl Chart {
    pub fn new(shape: Shape, summary: impl Into<String>) -> Self {
        Self {
            shape,
            summary: summary.into(),
            unit: String::new(),
        }
    }
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }
}

impl Axis {
    pub fn new<S: Into<String>>(categories: impl IntoIterator<Item = S>) -> Self {
        Self {
            categories: categories.into_iter().map(Into::into).collect(),
            series: Vec::new(),
        }
    }
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }
}

impl Series {
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = f64>) -> Self {
        Self {
            name: name.into(),
            points: points.into_iter().map(Some).collect(),
            as_line: false,
            second_axis: false,
        }
    }
    #[must_use]
    pub fn as_line(mut self) -> Self {
        self.as_line = true;
        self
    }
    #[must_use]
    pub fn second_axis(mut self) -> Self {
        self.second_axis = true;
        self
    }
}

impl Part {
    pub fn new(name: impl Into<String>, amount: f64) -> Self {
        Self {
            name: name.into(),
            amount,
        }
    }
}

impl Band {
    pub fn new(upto: f64, label: impl Into<String>, tone: crate::def::Tone) -> Self {
        Self {
            upto,
            label: label.into(),
            tone,
        }
    }
}
