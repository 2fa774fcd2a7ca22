//! The pages and home blocks a module answers for.

use sdk_contract::call::Ask;
use sdk_contract::def::{Area, BlockDef, Label, PageDef};
use sdk_contract::error::Fault;
use sdk_contract::page::{Page, Section};

use crate::ctx::Ctx;
use crate::permission::Permission;

/// A page. `path` is `/<plugin>/…` with `{name}` for one segment.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub path: &'static str,
    pub label: &'static str,
    pub en: &'static str,
    /// Name in the portal's icon sprite.
    pub icon: &'static str,
    pub area: Area,
    /// Place in the menu; smaller first.
    pub order: u16,
    pub permission: Permission,
    pub render: fn(&Ctx, &Ask) -> Result<Page, Fault>,
}

impl Route {
    pub(crate) fn def(&self) -> PageDef {
        PageDef {
            path: self.path.to_owned(),
            label: Label::new(self.label, self.en),
            icon: self.icon.to_owned(),
            area: self.area,
            order: self.order,
            permission: self.permission.name.to_owned(),
        }
    }
}

/// A part of the home page.
#[derive(Debug, Clone, Copy)]
pub struct HomeBlock {
    /// A slug.
    pub id: &'static str,
    /// Place on the home page; smaller first.
    pub order: u16,
    pub permission: Permission,
    /// No section at all when there is nothing to show.
    pub render: fn(&Ctx, &Ask) -> Result<Vec<Section>, Fault>,
}

impl HomeBlock {
    pub(crate) fn def(&self) -> BlockDef {
        BlockDef {
            id: self.id.to_owned(),
            order: self.order,
            permission: self.permission.name.to_owned(),
        }
    }
}
