//! The deadlines to begin with. The law says "at once" (个人信息保护法第五十七条); the hours are those
//! of the rules on reporting incidents as they stood, and the operator's for the lowest grade.

use sdk::prelude::*;

use crate::model::{Deadline, Grade};

pub(crate) fn all() -> Vec<SeedDef> {
    let rule = "《国家网络安全事件报告管理办法》；请按主管部门现行要求核对";
    let own = "《个人信息保护法》第五十七条“立即”；本平台内部时限";
    [
        (Grade::Minor, 24, own),
        (Grade::Major, 4, rule),
        (Grade::Severe, 1, rule),
        (Grade::Extreme, 1, rule),
    ]
    .into_iter()
    .enumerate()
    .map(|(n, (grade, hours, basis))| {
        let id = format!("01930000-0000-7000-8000-0000000040{:02}", n + 1);
        let basis = basis.to_owned();
        Seed::reference(
            id,
            Deadline {
                grade,
                hours,
                basis,
            },
        )
        .into()
    })
    .collect()
}
