//! What modules tell people, and what people find when they look.
//!
//! A module's notices go into the commit of the call that wants them. Who may see one is decided when
//! somebody looks: whoever acts for the organisation, and holds the permission it names at that moment.

use kernel_identity::decide::decide;
use kernel_identity::principal::Principal;
use kernel_storage::{NewNotice, Notice, Reader, Told, is_id};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::notice::{MAX_NOTICES, NoticeDraft};

use crate::Host;
use crate::capabilities::denied;
use crate::catalog::Installed;
use crate::console;
use crate::module::{Call, new_id};
use crate::reads::storage;

/// Notices of one answer at most.
pub const MOST_NOTICES: u32 = 100;
/// Beyond so many unread ones nobody counts.
const COUNTED: u32 = 99;
const DAY: i64 = 24 * 3600 * 1_000_000;

/// How much is unread, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unread {
    pub count: u32,
    /// There are more.
    pub more: bool,
}

/// Some notices, newest first, and where the older ones go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Noticed {
    pub items: Vec<Notice>,
    pub next: Option<String>,
}

impl Host {
    /// Checks what a module wants people told. A misfit is the module's defect.
    pub(crate) fn notices_of(
        &self,
        call: &Call,
        installed: &Installed,
        drafts: Vec<NoticeDraft>,
    ) -> Result<Vec<NewNotice>, Fault> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let manifest = installed.manifest.as_ref();
        if manifest.is_some_and(|m| !m.capabilities.notices) {
            return Err(denied("[capabilities] notices = true"));
        }
        let bad = |what: String| {
            let plugin = installed.def.id.as_str();
            tracing::error!(plugin, %what, blame = "plugin", "notice refused");
            let text = "该功能出错了，本次操作没有生效";
            Fault::new(FaultKind::Internal, "plugin.bad-write", text)
        };
        if drafts.len() > MAX_NOTICES {
            return Err(bad(format!("{} notices in one reply", drafts.len())));
        }
        // In the order they were told in, as their ids sort.
        let ids = drafts.iter().map(|_| new_id(call.now));
        let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        let mut kept = Vec::with_capacity(drafts.len());
        for (draft, id) in drafts.into_iter().zip(ids) {
            let receivers = std::iter::once(&draft.organisation).chain(&draft.user);
            let own = self.catalog().match_page(&draft.path);
            let fault = draft.fault(&installed.def).or_else(|| {
                if !receivers.into_iter().all(|id| is_id(id)) {
                    return Some("it is to what is no id".to_owned());
                }
                let leads = own.is_some_and(|page| page.module == installed.def.id);
                (!leads).then(|| format!("{} is no page of it", draft.path))
            });
            if let Some(what) = fault {
                return Err(bad(what));
            }
            kept.push(NewNotice {
                id,
                organisation: draft.organisation,
                audience: audience(&installed.def.id, draft.permission.as_deref()),
                user: draft.user,
                key: draft.key,
                told: Told {
                    title: draft.title.zh,
                    title_en: draft.title.en,
                    text: draft.text.zh,
                    text_en: draft.text.en,
                    path: draft.path,
                },
            });
        }
        Ok(kept)
    }

    /// How many notices somebody has not read; for the bar of every page, so it reads a bounded number.
    pub async fn unread(&self, p: &Principal) -> Result<Unread, Fault> {
        let Some(reader) = self.reader(p) else {
            return Ok(Unread::default());
        };
        let count = self.store().unread_notices(&reader).await;
        let count = count.map_err(|e| storage(&e))?;
        Ok(Unread {
            count: count.min(COUNTED),
            more: count > COUNTED,
        })
    }

    /// Notices of somebody, newest first, older than the one named; at most [`MOST_NOTICES`].
    pub async fn notices(
        &self,
        p: &Principal,
        before: Option<&str>,
        most: u32,
    ) -> Result<Noticed, Fault> {
        let Some(reader) = self.reader(p) else {
            return Ok(Noticed::default());
        };
        let most = most.clamp(1, MOST_NOTICES - 1);
        // One more, to know whether there are older ones.
        let found = self.store().notices(&reader, before, most + 1).await;
        let mut items = found.map_err(|e| storage(&e))?;
        let more = items.len() > most as usize;
        items.truncate(most as usize);
        let next = items.last().filter(|_| more).map(|n| n.id.clone());
        Ok(Noticed { items, next })
    }

    /// Marks one as read, and says where it leads.
    pub async fn open_notice(&self, p: &Principal, id: &str) -> Result<String, Fault> {
        let reader = self.reader(p).ok_or_else(Fault::not_found)?;
        let found = self.store().notice(&reader, id).await;
        let found = found.map_err(|e| storage(&e))?;
        let notice = found.ok_or_else(Fault::not_found)?;
        if !notice.read {
            self.mark(reader, Some(notice.id)).await?;
        }
        Ok(notice.told.path)
    }

    /// Marks all as read that somebody may see, and says how many were not.
    pub async fn read_notices(&self, p: &Principal) -> Result<u64, Fault> {
        match self.reader(p) {
            Some(reader) => self.mark(reader, None).await,
            None => Ok(0),
        }
    }

    async fn mark(&self, reader: Reader, notice: Option<String>) -> Result<u64, Fault> {
        let now = self.clock().now().micros();
        let marked = self.store().notices_read(reader, notice, now).await;
        marked.map_err(|e| storage(&e))
    }

    /// Forgets the notices whose time has passed.
    pub async fn forget_notices(&self) -> Result<u64, Fault> {
        let kept = DAY.saturating_mul(i64::from(self.limits().notice_days));
        let before = self.clock().now().micros().saturating_sub(kept);
        let gone = self.store().forget_notices(before).await;
        gone.map_err(|e| storage(&e))
    }

    /// Whoever looks, with what they may see now. Programs, and people who must do something else
    /// first, have none.
    fn reader(&self, p: &Principal) -> Option<Reader> {
        let (user, organisation) = p.user.clone().zip(p.organisation.clone())?;
        if p.duty.is_some() {
            return None;
        }
        let catalog = self.catalog();
        let mut audiences = Vec::new();
        for installed in catalog.modules.values().filter(|m| m.visible(p)) {
            let def = &installed.def;
            // Of the platform's own modules the console alone tells people anything.
            let tells = match installed.manifest.as_deref() {
                Some(manifest) => manifest.capabilities.notices,
                None => def.id == console::ID,
            };
            if !tells {
                continue;
            }
            audiences.push(audience(&def.id, None));
            let held = def.permissions.iter();
            let held = held.filter(|permission| decide(p, &def.id, permission).allowed());
            audiences.extend(held.map(|permission| audience(&def.id, Some(&permission.name))));
        }
        Some(Reader {
            organisation,
            user,
            audiences,
        })
    }
}

pub(crate) fn audience(module: &str, permission: Option<&str>) -> String {
    match permission {
        Some(permission) => format!("{module}.{permission}"),
        None => module.to_owned(),
    }
}
