//! The tree an organisation stands in, and what may be done to it. The rules are pure.

use std::collections::BTreeMap;

use kernel_storage::{Record, Store};
use serde_json::Value;

use crate::error::IdentityError;
use crate::module::ORGANISATIONS;
use crate::people::{get, optional, text};
use crate::refusal::Refusal;

/// Levels of a tree, the root's counted.
pub const MOST_LEVELS: usize = 12;
/// The type of organisation that data is about.
pub const SUBJECT: &str = "subject";

/// Whether organisations of a type are merged. What becomes of a party is what its register says, and
/// the people of the platform are its three administrators, whose roles take two people each.
pub fn is_mergeable(kind: &str) -> bool {
    ![SUBJECT, "platform"].contains(&kind)
}

/// An organisation in its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: String,
    pub revision: i64,
    pub parent: Option<String>,
    pub name: String,
    /// `platform`, `government`, ….
    pub kind: String,
    pub code: Option<String>,
    /// What its own people call the level: 分行, 支行.
    pub tier: Option<String>,
    pub licence: Option<String>,
    /// GB/T 2260 code.
    pub region: Option<String>,
    pub closed: bool,
    /// The organisation it was merged into.
    pub merged_into: Option<String>,
    /// Patterns of roles, where it is narrowed.
    pub ceiling: Option<Vec<String>>,
    pub(crate) shape: i64,
}

impl Node {
    pub(crate) fn read(record: &Record) -> Self {
        let number = |field| record.get(field).and_then(Value::as_i64).unwrap_or(0);
        let patterns = record.get("ceiling").and_then(Value::as_array);
        let words = |all: &Vec<Value>| {
            let all = all.iter().filter_map(Value::as_str);
            all.map(str::to_owned).collect()
        };
        Self {
            id: text(record, "id"),
            revision: number("revision"),
            parent: optional(record, "parent"),
            name: text(record, "name"),
            kind: text(record, "type"),
            code: optional(record, "code"),
            tier: optional(record, "tier"),
            licence: optional(record, "licence"),
            region: optional(record, "region").or_else(|| optional(record, "district")),
            closed: optional(record, "status").is_some_and(|s| s == "closed"),
            merged_into: optional(record, "merged_into"),
            ceiling: patterns.map(words),
            shape: number("shape"),
        }
    }
}

/// A whole tree, from its root down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: String,
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// The tree that an organisation stands in; none where there is no such organisation.
    pub async fn around(store: &Store, id: &str) -> Result<Option<Self>, IdentityError> {
        let Some(mut top) = get(store, ORGANISATIONS, id).await? else {
            return Ok(None);
        };
        for _ in 0..=MOST_LEVELS {
            let Some(parent) = optional(&top, "parent") else {
                break;
            };
            let Some(above) = get(store, ORGANISATIONS, &parent).await? else {
                break;
            };
            top = above;
        }
        let below = crate::people::below(store, &text(&top, "id")).await?;
        Ok(Self::of([top].iter().chain(&below).map(Node::read)))
    }

    /// Of nodes whose first is the root.
    pub(crate) fn of(nodes: impl Iterator<Item = Node>) -> Option<Self> {
        let mut nodes = nodes.peekable();
        let root = nodes.peek()?.id.clone();
        let nodes = nodes.map(|n| (n.id.clone(), n)).collect();
        Some(Self { root, nodes })
    }

    pub fn root(&self) -> Option<&Node> {
        self.get(&self.root)
    }

    pub fn get(&self, id: &str) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// From the root down to the organisation.
    pub fn path(&self, id: &str) -> Vec<&Node> {
        let mut path = Vec::new();
        let mut at = self.get(id);
        while let Some(node) = at {
            path.push(node);
            if path.len() > MOST_LEVELS {
                break;
            }
            let parent = node.parent.as_deref().filter(|_| node.id != self.root);
            at = parent.and_then(|p| self.get(p));
        }
        path.reverse();
        path
    }

    /// What [`Tree::place`] says of an organisation in its own tree; empty where there is none.
    pub(crate) async fn place_of(store: &Store, id: Option<&str>) -> Result<String, IdentityError> {
        let Some(id) = id else {
            return Ok(String::new());
        };
        let tree = Self::around(store, id).await?;
        Ok(tree.map(|t| t.place(id)).unwrap_or_default())
    }

    /// `总行 / 分行 / 支行`
    pub fn place(&self, id: &str) -> String {
        let names = self.path(id).into_iter().map(|n| n.name.as_str());
        let place = names.collect::<Vec<_>>().join(" / ");
        place.chars().take(400).collect()
    }

    pub fn is_within(&self, id: &str, root: &str) -> bool {
        self.path(id).iter().any(|n| n.id == root)
    }

    pub fn children<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Node> {
        let own = self.nodes.values();
        own.filter(move |n| n.id != self.root && n.parent.as_deref() == Some(id))
    }

    /// An organisation and all below it with how deep each stands, in the order of a drawn tree.
    pub fn rows<'a>(&'a self, from: &'a str) -> Vec<(usize, &'a Node)> {
        let mut rows = Vec::new();
        let mut open: Vec<(usize, &Node)> = self.get(from).map(|n| (0, n)).into_iter().collect();
        while let Some((depth, node)) = open.pop() {
            rows.push((depth, node));
            if rows.len() > self.nodes.len() {
                break;
            }
            let mut below: Vec<&Node> = self.children(&node.id).collect();
            below.sort_by_key(|n| std::cmp::Reverse((n.code.as_deref().unwrap_or("~"), &n.id)));
            open.extend(below.into_iter().map(|n| (depth + 1, n)));
        }
        rows
    }

    /// Levels from an organisation to the lowest below it, its own counted.
    fn height(&self, id: &str) -> usize {
        let deepest = self.rows(id).into_iter().map(|(depth, _)| depth + 1).max();
        deepest.unwrap_or(0)
    }

    /// Whether something new may stand under an organisation.
    pub(crate) fn may_hold(&self, parent: &str, code: Option<&str>) -> Result<&Node, Refusal> {
        let parent = self.get(parent).ok_or(Refusal::OutOfReach)?;
        if parent.closed {
            return Err(Refusal::Closed);
        }
        if parent.kind == SUBJECT {
            return Err(Refusal::NothingBelow);
        }
        if self.path(&parent.id).len() >= MOST_LEVELS {
            return Err(Refusal::TooDeep(MOST_LEVELS));
        }
        self.code_is_free(code, None)?;
        Ok(parent)
    }

    /// Whether a code is free but for the organisation that has it.
    pub(crate) fn code_is_free(&self, code: Option<&str>, of: Option<&str>) -> Result<(), Refusal> {
        let taken = |n: &Node| n.code.as_deref() == code && Some(n.id.as_str()) != of;
        if code.is_some() && self.nodes.values().any(taken) {
            return Err(Refusal::CodeTaken);
        }
        Ok(())
    }

    /// Whether an organisation may be put under one of `target`, which may be the same tree.
    pub(crate) fn may_move(&self, id: &str, target: &Self, parent: &str) -> Result<(), Refusal> {
        let moved = self.may_come(id, target, parent, self.height(id))?;
        if moved.kind == SUBJECT {
            return Err(Refusal::NothingBelow);
        }
        if moved.parent.as_deref() == Some(parent) {
            return Err(Refusal::Nothing);
        }
        Ok(())
    }

    /// Whether an organisation may be merged into one of `target`: it and what is right below it
    /// come to stand under that one.
    pub(crate) fn may_merge(&self, id: &str, target: &Self, into: &str) -> Result<(), Refusal> {
        let below = self.height(id).saturating_sub(1);
        let merged = self.may_come(id, target, into, below.max(1))?;
        if merged.closed {
            return Err(Refusal::Closed);
        }
        if !is_mergeable(&merged.kind) {
            return Err(Refusal::NeverMerged);
        }
        Ok(())
    }

    /// What holds of whatever comes under an organisation of `target` with so many levels.
    fn may_come(
        &self,
        id: &str,
        target: &Self,
        parent: &str,
        levels: usize,
    ) -> Result<&Node, Refusal> {
        let coming = self.get(id).ok_or(Refusal::OutOfReach)?;
        let to = target.get(parent).ok_or(Refusal::OutOfReach)?;
        if target.is_within(parent, id) {
            return Err(Refusal::Cycle);
        }
        if to.closed {
            return Err(Refusal::Closed);
        }
        if to.kind != coming.kind {
            return Err(Refusal::OtherType);
        }
        if target.path(parent).len() + levels > MOST_LEVELS {
            return Err(Refusal::TooDeep(MOST_LEVELS));
        }
        if target.root != self.root {
            for (_, node) in self.rows(id) {
                target.code_is_free(node.code.as_deref(), None)?;
            }
        }
        Ok(coming)
    }

    /// What narrows an organisation: the nearest limit at it or above it.
    pub fn limit(&self, id: &str) -> Option<&[String]> {
        let path = self.path(id);
        path.iter().rev().find_map(|n| n.ceiling.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(id: &str, parent: Option<&str>) -> Node {
        Node {
            id: id.into(),
            revision: 1,
            parent: parent.map(str::to_owned),
            name: id.to_uppercase(),
            kind: "institution".into(),
            code: Some(format!("c-{id}")),
            tier: None,
            licence: None,
            region: None,
            closed: false,
            merged_into: None,
            ceiling: None,
            shape: 0,
        }
    }

    /// a ─ b ─ c, a ─ d
    fn small() -> Tree {
        let all = [
            node("a", None),
            node("b", Some("a")),
            node("c", Some("b")),
            node("d", Some("a")),
        ];
        Tree::of(all.into_iter()).unwrap()
    }

    /// One below the other, `n` levels.
    fn chain(n: usize) -> Tree {
        let name = |i: usize| format!("n{i}");
        let all = (0..n).map(|i| {
            let above = i.checked_sub(1).map(name);
            node(&name(i), above.as_deref())
        });
        Tree::of(all).unwrap()
    }

    #[test]
    fn nothing_is_moved_below_itself() {
        let tree = small();
        for to in ["b", "c"] {
            assert_eq!(tree.may_move("b", &tree, to), Err(Refusal::Cycle), "{to}");
        }
        assert_eq!(tree.may_move("b", &tree, "d"), Ok(()));
        assert_eq!(tree.may_move("b", &tree, "a"), Err(Refusal::Nothing));
        assert_eq!(tree.may_move("b", &tree, "x"), Err(Refusal::OutOfReach));
    }

    #[test]
    fn row_75_a_tree_has_at_least_six_levels_and_an_end() {
        for levels in 1..MOST_LEVELS {
            let tree = chain(levels);
            let last = format!("n{}", levels - 1);
            assert!(tree.may_hold(&last, None).is_ok(), "{levels} levels");
        }
        const { assert!(MOST_LEVELS >= 6) };
        let full = chain(MOST_LEVELS);
        let last = format!("n{}", MOST_LEVELS - 1);
        let refused = full.may_hold(&last, None).map(|_| ());
        assert_eq!(refused, Err(Refusal::TooDeep(MOST_LEVELS)));
        // What is moved brings its own levels along.
        let other = chain(MOST_LEVELS - 1);
        let tall =
            Tree::of([node("x", None), node("y", Some("x")), node("z", Some("y"))].into_iter())
                .unwrap();
        let under = format!("n{}", MOST_LEVELS - 3);
        let deep = tall.may_move("y", &other, &under);
        assert_eq!(deep, Ok(()));
        let under = format!("n{}", MOST_LEVELS - 2);
        let deep = tall.may_move("y", &other, &under);
        assert_eq!(deep, Err(Refusal::TooDeep(MOST_LEVELS)));
    }

    #[test]
    fn row_75_what_is_merged_brings_the_levels_below_it_along() {
        let tree = small();
        for into in ["b", "c"] {
            assert_eq!(tree.may_merge("b", &tree, into), Err(Refusal::Cycle));
        }
        // Its own parent is as good as another.
        assert_eq!(tree.may_merge("b", &tree, "a"), Ok(()));
        assert_eq!(tree.may_merge("c", &tree, "d"), Ok(()));

        let other = chain(MOST_LEVELS - 1);
        let tall =
            Tree::of([node("x", None), node("y", Some("x")), node("z", Some("y"))].into_iter())
                .unwrap();
        let last = format!("n{}", MOST_LEVELS - 2);
        // `z` comes to stand where `y` does.
        assert_eq!(tall.may_merge("y", &other, &last), Ok(()));
        let deep = tall.may_merge("x", &other, &last);
        assert_eq!(deep, Err(Refusal::TooDeep(MOST_LEVELS)));
        let full = chain(MOST_LEVELS);
        let last = format!("n{}", MOST_LEVELS - 1);
        let deep = tall.may_merge("z", &full, &last);
        assert_eq!(deep, Err(Refusal::TooDeep(MOST_LEVELS)));
    }

    #[test]
    fn row_75_neither_the_platform_nor_a_party_is_merged() {
        for (kind, mergeable) in [
            ("institution", true),
            ("government", true),
            ("platform", false),
            (SUBJECT, false),
        ] {
            let root = |id: &str| {
                let kind = kind.into();
                Tree::of(
                    [Node {
                        kind,
                        ..node(id, None)
                    }]
                    .into_iter(),
                )
                .unwrap()
            };
            let merged = root("a").may_merge("a", &root("b"), "b");
            let want = if mergeable {
                Ok(())
            } else {
                Err(Refusal::NeverMerged)
            };
            assert_eq!(merged, want, "{kind}");
        }
    }

    #[test]
    fn a_code_is_taken_once_in_a_tree() {
        let tree = small();
        assert_eq!(
            tree.may_hold("a", Some("c-d")).map(|_| ()),
            Err(Refusal::CodeTaken)
        );
        assert_eq!(tree.code_is_free(Some("c-d"), Some("d")), Ok(()));
        assert!(tree.may_hold("a", Some("new")).is_ok());
    }

    #[test]
    fn the_nearest_limit_holds() {
        let mut tree = small();
        assert_eq!(tree.limit("c"), None);
        tree.nodes.get_mut("a").unwrap().ceiling = Some(vec!["x.".into()]);
        assert_eq!(tree.limit("c"), Some(&["x.".to_owned()][..]));
        tree.nodes.get_mut("b").unwrap().ceiling = Some(vec![]);
        assert_eq!(tree.limit("c"), Some(&[][..]));
        assert_eq!(tree.limit("d"), Some(&["x.".to_owned()][..]));
    }

    #[test]
    fn rows_are_in_the_order_of_a_drawn_tree() {
        let tree = small();
        let drawn: Vec<(usize, &str)> = tree
            .rows("a")
            .into_iter()
            .map(|(d, n)| (d, n.id.as_str()))
            .collect();
        assert_eq!(drawn, [(0, "a"), (1, "b"), (2, "c"), (1, "d")]);
        assert_eq!(tree.place("c"), "A / B / C");
    }

    proptest! {
        /// Any sequence of allowed moves leaves a tree: everything reaches the root.
        #[test]
        fn allowed_moves_never_make_a_cycle(moves in prop::collection::vec((1_usize..9, 0_usize..9), 0..30)) {
            let name = |i: usize| format!("n{i}");
            let all = (0..9).map(|i| node(&name(i), (i > 0).then(|| name((i - 1) / 2)).as_deref()));
            let mut tree = Tree::of(all).unwrap();
            for (id, to) in moves {
                let (id, to) = (name(id), name(to));
                if tree.may_move(&id, &tree, &to).is_ok() {
                    tree.nodes.get_mut(&id).unwrap().parent = Some(to);
                }
                prop_assert_eq!(tree.rows("n0").len(), 9);
            }
        }
    }
}
