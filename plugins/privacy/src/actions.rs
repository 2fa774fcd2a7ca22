//! What whoever keeps the registers does.

pub(crate) mod assess;
pub(crate) mod entrust;
pub(crate) mod respond;
