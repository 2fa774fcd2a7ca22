//! A list as the API gives it.

use sdk::Map;
use sdk::host::Host as _;
use sdk_contract::call::Caller;
use sdk_contract::def::FieldDef;
use sdk_contract::error::Fault;
use sdk_contract::listing::listing;

use super::Mock;
use super::access::Runner;

impl Mock {
    pub(crate) fn list(
        &self,
        caller: &Caller,
        collection: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Vec<Map>, Fault> {
        let runner = Runner::Person(caller.clone());
        let (def, c) = self.0.borrow().collection(collection)?;
        // Who may not read at all hears that, not what is wrong with the question.
        runner.reach(&def, &c.read)?;
        let sees = |field: &FieldDef| {
            let mut reveal = field.reveal.iter();
            field.mask.is_none() || reveal.any(|name| runner.reach(&def, name).is_ok())
        };
        let asked = listing(&def, &c, &sees, pairs).map_err(Fault::invalid)?;
        let host = self.host(runner.clone(), "");
        host.find(&asked.query).map(|found| found.records)
    }
}
