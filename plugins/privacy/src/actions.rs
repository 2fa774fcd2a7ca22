//! What whoever keeps the registers does.

pub(crate) mod assess;
pub(crate) mod entrust;
pub(crate) mod hold;
pub(crate) mod respond;
pub(crate) mod review;
pub(crate) mod tell;
