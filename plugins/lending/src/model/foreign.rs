//! What this module reads of other modules' records: only the fields it needs.

use sdk::prelude::*;

/// A product, from `market.products`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    /// The bank.
    pub(crate) organisation: String,
    pub(crate) name: String,
    pub(crate) institution_name: String,
    pub(crate) amount_min: Money,
    pub(crate) amount_max: Money,
    pub(crate) term_min: i64,
    pub(crate) term_max: i64,
    pub(crate) rate_from: Decimal<4>,
    pub(crate) rate_to: Decimal<4>,
    #[serde(default)]
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) park: Option<String>,
    pub(crate) status: String,
}

impl Product {
    pub(crate) const COLLECTION: &'static str = "market.products";

    pub(crate) fn online(&self) -> bool {
        self.status == "online"
    }
}

/// The applicant, from `enterprise.enterprises`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Enterprise {
    pub(crate) name: String,
    pub(crate) uscc: String,
    pub(crate) region_name: String,
    pub(crate) industry_name: String,
    pub(crate) registered_capital: Money,
    pub(crate) established: Date,
    pub(crate) staff: i64,
    pub(crate) as_of: Date,
    #[serde(default)]
    pub(crate) contact: Option<String>,
    #[serde(default)]
    pub(crate) phone: Option<String>,
}

impl Enterprise {
    pub(crate) const COLLECTION: &'static str = "enterprise.enterprises";
}

/// A letter of consent, from `consent.letters`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Letter {
    pub(crate) recipient: String,
    pub(crate) purposes: Vec<String>,
    pub(crate) valid_from: Date,
    pub(crate) valid_to: Date,
    #[serde(default)]
    pub(crate) max_uses: Option<i64>,
    pub(crate) uses: i64,
    pub(crate) status: String,
}

impl Letter {
    pub(crate) const COLLECTION: &'static str = "consent.letters";
}
