//! What takes a second factor proven a moment ago. The rules are `kernel-identity`'s.

use kernel_identity::step_up::Proof;
use sdk_contract::error::{Fault, FaultKind};

use crate::Host;
use crate::module::Call;
use crate::reads::chain;

impl Host {
    /// The caller has proven a second factor a moment ago, or is told to. On the own account, whose
    /// first factor is set up there, only who has one is asked.
    pub(crate) async fn stepped_up(&self, call: &Call, own: bool) -> Result<(), Fault> {
        let proof = self.sessions().proof(&call.principal, call.now.micros());
        match proof.await {
            Ok(Proof::Fresh) => Ok(()),
            Ok(Proof::Old) => Err(Fault::step_up()),
            Ok(Proof::NoFactor) if own => Ok(()),
            Ok(Proof::NoFactor) => Err(Fault::new(
                FaultKind::Forbidden,
                "second-factor-needed",
                "此操作须用第二重验证确认是您本人，请先在“账号安全”中启用",
            )),
            Err(error) => {
                tracing::error!(error = chain(&error), "identity failed");
                Err(Fault::new(
                    FaultKind::Unavailable,
                    "unavailable",
                    "账号服务暂时不可用，请稍后再试",
                ))
            }
        }
    }
}
