//! Signatures that wait for the time stamp of an authority, for whoever looks after the platform.

use sdk_contract::error::Fault;
use sdk_contract::page::{Action, Block, Datum, Fact, Notice, Page, Section, Tone};

use crate::Host;
use crate::timestamps::Waiting;

/// Name of the block on the home page.
pub(super) const STAMPS: &str = "stamps";
const PATH: &str = "/console/schedules";

/// What waits, on the page of what the platform does by itself; nothing where no authority is asked.
pub(super) async fn section(host: &Host) -> Result<Option<Section>, Fault> {
    let waiting = host.stamps_waiting().await?;
    Ok(waiting.map(|waiting| {
        let late = alarm(&waiting).map(|notice| Block::notice("stamps-late", notice));
        late.into_iter()
            .chain([facts(&waiting)])
            .fold(Section::stack(), Section::block)
    }))
}

/// On the home page, as long as one waits for too long.
pub(super) async fn tile(host: &Host) -> Result<Page, Fault> {
    let waiting = host.stamps_waiting().await?;
    let late = waiting
        .as_ref()
        .and_then(alarm)
        .ok_or_else(Fault::not_found)?;
    let late = late.action(Action::open("查看签名时间戳", PATH));
    let block = Block::notice(STAMPS, late);
    Ok(Page::new("首页").section(Section::stack().block(block)))
}

fn alarm(waiting: &Waiting) -> Option<Notice> {
    let lead = format!("有 {} 个签名超过一小时没有加盖时间戳", waiting.late);
    let text = format!(
        "最近一次的原因：{}。平台会一直请求；请检查 [timestamps] 的配置、网络和时间戳机构的服务",
        why(waiting)
    );
    (waiting.late > 0).then(|| Notice::new(Tone::Danger, lead, text))
}

fn why(waiting: &Waiting) -> &str {
    match waiting.why.as_str() {
        "" => "尚未请求",
        why => why,
    }
}

fn facts(waiting: &Waiting) -> Block {
    let count = |n: u64| Datum::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let mut facts = vec![
        Fact::new("等待加盖的签名", count(waiting.all)),
        Fact::new("其中超过一小时", count(waiting.late)),
    ];
    if let Some(since) = waiting.since {
        facts.push(Fact::new("最早的签名时间", Datum::Time(since.micros())));
        facts.push(Fact::new("最近一次未加盖的原因", Datum::text(why(waiting))));
    }
    Block::details(STAMPS, facts).title("签名时间戳")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mm_4h_who_operates_is_told_how_many_stamps_are_late_and_why() {
        let mut waiting = Waiting {
            all: 7,
            late: 3,
            since: None,
            why: "机构的证书已被吊销".to_owned(),
        };
        let notice = alarm(&waiting).unwrap();
        assert!(notice.lead.contains("3 个签名超过一小时"), "{notice:?}");
        assert!(notice.text.contains("机构的证书已被吊销"), "{notice:?}");
        waiting.late = 0;
        assert_eq!(alarm(&waiting), None);
        waiting.why.clear();
        assert_eq!(why(&waiting), "尚未请求");
    }
}
