//! An item that a score read may be disputed, or settled, after the score: its applications say so from
//! then on, for whoever reads them to decide.

use sdk::prelude::*;

use crate::events::DISPUTES_CONTINUED;
use crate::model::Application;

/// Applications of one run; the rest are left to the next event.
const AT_ONCE: u32 = 40;

pub(crate) const ON: &[Listener] = &[
    Listener {
        event: "credit.record.disputed",
        run: |ctx, event| mark(ctx, event, What::Disputed),
    },
    Listener {
        event: "credit.record.corrected",
        run: |ctx, event| mark(ctx, event, What::Corrected),
    },
    Listener {
        event: "credit.record.settled",
        run: |ctx, event| mark(ctx, event, What::Settled),
    },
    Listener {
        event: "lending.application.disputes-continued",
        run: go_on,
    },
];

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Disputed,
    Corrected,
    Settled,
}

fn go_on(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    let what = event.data.get("what").cloned().unwrap_or_default();
    match sdk::serde_json::from_value(what) {
        Ok(what) => mark(ctx, event, what),
        Err(_) => Ok(()),
    }
}

/// Some of the party's applications whose score read the feature.
fn mark(ctx: &mut Ctx, event: &Event, what: What) -> Result<(), Fault> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str);
    let (Some(subject), Some(feature)) = (text("subject"), text("feature")) else {
        return Ok(());
    };
    let find = Find::<Application>::new()
        .filter(Application::SUBJECT.eq(subject))
        .sort(Application::CREATED_AT.asc())
        .apart()
        .after(text("cursor").unwrap_or_default(), AT_ONCE);
    let found = ctx.find(find)?;
    for application in &found.items {
        if let Some(patch) = marks(application, (feature, text("before")), what) {
            ctx.update(application, patch);
        }
    }
    if let Some(next) = found.next {
        let data = json!({
            "subject": subject, "feature": feature, "before": text("before"),
            "what": what, "cursor": next,
        });
        ctx.emit(DISPUTES_CONTINUED, subject, data);
    }
    Ok(())
}

/// What changes of an application; none where its score did not read the feature, or not of the record
/// that was corrected, or says so already.
fn marks(
    application: &Application,
    (feature, record): (&str, Option<&str>),
    what: What,
) -> Option<Patch<Application>> {
    let mut read = application.reasons.iter().flatten();
    let reason = read.find(|reason| reason.feature == feature)?;
    let of = reason.record.as_ref().map(|read| read.id.as_str());
    if what == What::Corrected && of != record {
        return None;
    }
    let marks = match what {
        What::Corrected => &application.corrected,
        What::Disputed | What::Settled => &application.disputed,
    };
    let before = marks.as_deref().unwrap_or_default();
    let mut after: Vec<String> = before.iter().filter(|m| *m != feature).cloned().collect();
    if what != What::Settled {
        after.push(feature.to_owned());
    }
    let field = match what {
        What::Corrected => Application::CORRECTED,
        What::Disputed | What::Settled => Application::DISPUTED,
    };
    (after.len() != before.len()).then(|| Patch::new().set(field, after))
}
