//! What modules tell people, and what the clock says to modules.

use sdk::Map;
use sdk_contract::call::{Caller, Event};
use sdk_contract::def::ModuleDef;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::notice::{MAX_NOTICES, NoticeDraft};
use serde_json::{Value, json};

use super::access::Runner;
use super::check::bad_write;
use super::outbox::Pending;
use super::{Mock, State, params};

/// A notice that is kept.
pub(super) struct Kept {
    id: String,
    /// When it was told.
    at: String,
    module: String,
    draft: NoticeDraft,
    /// Users who have read it.
    read: Vec<String>,
}

impl State {
    /// Refuses what the kernel would refuse.
    pub(super) fn check_notices(def: &ModuleDef, drafts: &[NoticeDraft]) -> Result<(), Fault> {
        if drafts.len() > MAX_NOTICES {
            return Err(bad_write("too many notices in one reply"));
        }
        for draft in drafts {
            let mut pages = def.pages.iter();
            if let Some(what) = draft.fault(def) {
                return Err(bad_write(what));
            }
            if !pages.any(|page| params(&page.path, &draft.path).is_some()) {
                return Err(bad_write(format!("{} is no page of it", draft.path)));
            }
        }
        Ok(())
    }

    pub(super) fn keep_notices(&mut self, module: &str, drafts: Vec<NoticeDraft>) {
        for draft in drafts {
            let same = |kept: &Kept| {
                let (a, b) = (&kept.draft, &draft);
                kept.module == module
                    && (&a.organisation, &a.permission, &a.user, &a.key)
                        == (&b.organisation, &b.permission, &b.user, &b.key)
            };
            if self.notices.iter().any(same) {
                continue;
            }
            let kept = Kept {
                id: self.next_id(),
                at: self.now.to_string(),
                module: module.to_owned(),
                draft,
                read: Vec::new(),
            };
            self.notices.push(kept);
        }
    }

    /// Says each schedule's last moment that has come since it was last said.
    pub(super) fn tell_the_time(&mut self) {
        let now = self.now;
        let due: Vec<(String, _)> = self
            .modules
            .iter()
            .flat_map(|m| m.def.schedules.iter().map(|s| (&m.def.id, s)))
            .map(|(module, s)| (format!("{module}.{}", s.name), s.when.last(now)))
            .collect();
        for (name, slot) in due {
            let before = self.slots.insert(name.clone(), slot);
            if before.is_none_or(|before| slot <= before) {
                continue;
            }
            let event = Event {
                id: self.next_id(),
                aggregate: format!("schedule:{name}"),
                name,
                at: now.micros(),
                data: json!({ "slot": slot.to_string() }),
            };
            self.outbox.push(Pending::new(event));
        }
    }

    fn sees(&self, caller: &Caller, kept: &Kept) -> bool {
        let (Some(user), Some(organisation)) = (&caller.user, &caller.organisation) else {
            return false;
        };
        let draft = &kept.draft;
        let Ok((_, def)) = self.loaded(&kept.module) else {
            return false;
        };
        let runner = Runner::Person(caller.clone());
        let held = |name: &String| runner.reach(&def, name).is_ok();
        draft.organisation == *organisation
            && draft.user.as_ref().is_none_or(|to| to == user)
            && draft.permission.as_ref().is_none_or(held)
    }
}

impl Mock {
    /// As the API lists them, newest first.
    pub(crate) fn notices(&self, caller: &Caller) -> Result<Vec<Map>, Fault> {
        if caller.user.is_none() {
            return Err(Fault::new(
                FaultKind::Forbidden,
                "unauthenticated",
                "请先登录",
            ));
        }
        let state = self.0.borrow();
        let seen = state.notices.iter().rev().filter(|n| state.sees(caller, n));
        let user = caller.user.clone().unwrap_or_default();
        let listed = seen.map(|n| {
            let notice = json!({
                "id": n.id, "at": n.at, "title": n.draft.title, "text": n.draft.text,
                "path": n.draft.path, "read": n.read.contains(&user),
            });
            match notice {
                Value::Object(map) => map,
                _ => Map::new(),
            }
        });
        Ok(listed.collect())
    }

    /// Marks one as read.
    pub(crate) fn read_notice(&self, caller: &Caller, id: &str) -> Result<(), Fault> {
        let user = caller.user.clone().unwrap_or_default();
        let mut state = self.0.borrow_mut();
        let found = state
            .notices
            .iter()
            .position(|n| n.id == id && state.sees(caller, n));
        let found = found.and_then(|at| state.notices.get_mut(at));
        let notice = found.ok_or_else(Fault::not_found)?;
        if !notice.read.contains(&user) {
            notice.read.push(user);
        }
        Ok(())
    }
}
