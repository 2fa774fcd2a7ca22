//! Demo data: two parks, with one of the demo enterprises in each.

use sdk::prelude::*;

use crate::model::{Park, Tenancy};

const SCIENCE: &str = "01930000-0000-7000-8000-000000003001";
const HEALTH: &str = "01930000-0000-7000-8000-000000003002";

pub(crate) fn all() -> Vec<SeedDef> {
    let science = Park {
        name: "东海科技园".into(),
        region: "310115".into(),
        region_name: "浦东新区".into(),
        address: "浦东新区观澜路 88 号".into(),
        industries: vec!["C35 专用设备制造业".into(), "I65 软件和信息技术服务业".into()],
        operator: "东海科技园运营有限公司".into(),
        hotline: "021-50000001".into(),
        tenants: 186,
        summary: "以智能装备与工业软件为主，提供中试车间、检测平台与融资服务专员。".into(),
        policies: "- 入驻满半年的企业，专享信用贷款利率优惠 30 个基点\n- 首次获贷企业，按贷款额 1% 给予一次性补贴，最高 10 万元\n- 研发设备贷款，园区补贴一半利息，最长两年".into(),
    };
    let health = Park {
        name: "澜汇健康产业园".into(),
        region: "310104".into(),
        region_name: "徐汇区".into(),
        address: "徐汇区云汀路 16 号".into(),
        industries: vec!["C14 食品制造业".into(), "C27 医药制造业".into()],
        operator: "澜汇园区管理有限公司".into(),
        hotline: "021-50000002".into(),
        tenants: 94,
        summary: "以健康食品与生物医药为主，提供检测、仓储与园区担保。".into(),
        policies: "- 园区担保公司为设备贷款提供担保，担保费由园区承担\n- 通过质量管理体系认证的企业，给予 5 万元奖励".into(),
    };
    let tenancies = [
        (
            "01930000-0000-7000-8000-000000003101",
            SCIENCE,
            "01930000-0000-7000-8000-000000001001",
            "上海云杉智能装备有限公司",
            "310115",
        ),
        (
            "01930000-0000-7000-8000-000000003102",
            HEALTH,
            "01930000-0000-7000-8000-000000001002",
            "上海澄湖食品有限公司",
            "310104",
        ),
    ];
    let mut seeds: Vec<SeedDef> = vec![
        Seed::demo(SCIENCE, science).district("310115").into(),
        Seed::demo(HEALTH, health).district("310104").into(),
    ];
    if let Some(since) = Date::new(2024, 5, 1) {
        seeds.extend(
            tenancies
                .into_iter()
                .map(|(id, park, subject, name, district)| {
                    let tenancy = Tenancy {
                        park: Id::new(park),
                        enterprise_name: name.into(),
                        since,
                    };
                    Seed::demo(id, tenancy)
                        .subject(subject)
                        .district(district)
                        .into()
                }),
        );
    }
    seeds
}
