//! What an enterprise does with its own record.

use sdk::prelude::*;

use crate::model::Enterprise;
use crate::{permissions, rules};

/// 修改联系方式. Whom the platform and banks call.
#[derive(Action, Debug)]
#[action(name = "enterprise.update-contact", permission = permissions::UPDATE)]
pub(crate) struct UpdateContact {
    /// 联系人.
    #[field(max = 40)]
    pub(crate) contact: String,
    /// 联系电话.
    #[field(format = "phone")]
    pub(crate) phone: String,
}

impl RecordAction for UpdateContact {
    type Record = Enterprise;

    fn run(self, ctx: &mut Ctx, enterprise: Stored<Enterprise>) -> Result<Done, Fault> {
        rules::contact(&self.contact)?;
        let patch = Patch::new()
            .set(Enterprise::CONTACT, self.contact)
            .set(Enterprise::PHONE, self.phone);
        ctx.update(&enterprise, patch);
        Ok(Done::new().stay("联系方式已更新，新的申请会使用它"))
    }
}
