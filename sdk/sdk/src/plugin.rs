//! `plugin!`: the one list of what a plugin has.

/// Lists what a plugin has and makes `pub fn module() -> Module`; in a component build also the
/// exports of the world `plugin`. Every key after `label` may be left out; their order is free.
///
/// ```ignore
/// sdk::plugin! {
///     id: "lending",
///     label: ("信贷流程", "Lending"),
///     collections: [Application],
///     choices: [Status],
///     flows: [flows::application],
///     actions: [actions::Apply, actions::Submit],
///     pages: pages::ALL,
///     blocks: pages::BLOCKS,
///     events: events::ALL,
///     on: events::ON,
///     schedules: jobs::ALL,
///     permissions: permissions::ALL,
///     features: model::features(),
///     disclosures: Some(model::disclosures()),
///     seeds: seed::all(),
///     changes: changes::all(),
/// }
/// ```
#[macro_export]
macro_rules! plugin {
    (id: $id:literal, label: ($zh:literal, $en:literal) $(, $($rest:tt)*)?) => {
        /// What this plugin declares and does.
        pub fn module() -> $crate::module::Module {
            let module = $crate::module::Module::new($id, $zh, $en);
            $($crate::__parts!(module; $($rest)*);)?
            module
        }

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;
            impl $crate::guest::Component for Component {
                fn module() -> $crate::module::Module {
                    module()
                }
            }
            $crate::__exports!(Component);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __exports {
    ($component:ident) => {
        use $crate::bindings::exports::rongqiao::plugin::guest;

        impl guest::Guest for $component {
            fn describe() -> guest::Document {
                $crate::guest::describe::<Self>()
            }
            fn page(context: String, ask: String) -> Result<guest::Document, guest::Fault> {
                $crate::guest::page::<Self>(&context, &ask)
            }
            fn act(context: String, action: String, input: String) -> Result<String, guest::Fault> {
                $crate::guest::act::<Self>(&context, &action, &input)
            }
            fn on_event(context: String, event: String) -> Result<String, guest::Fault> {
                $crate::guest::on_event::<Self>(&context, &event)
            }
        }
        $crate::bindings::export!($component with_types_in $crate::bindings);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __parts {
    ($m:ident;) => {};
    ($m:ident; collections: [$($t:ty),* $(,)?] $(, $($rest:tt)*)?) => {
        let $m = $m$(.collection::<$t>())*;
        $($crate::__parts!($m; $($rest)*);)?
    };
    ($m:ident; choices: [$($t:ty),* $(,)?] $(, $($rest:tt)*)?) => {
        let $m = $m$(.choice::<$t>())*;
        $($crate::__parts!($m; $($rest)*);)?
    };
    ($m:ident; flows: [$($f:expr),* $(,)?] $(, $($rest:tt)*)?) => {
        let $m = $m$(.flow($f))*;
        $($crate::__parts!($m; $($rest)*);)?
    };
    ($m:ident; actions: [$($t:ty),* $(,)?] $(, $($rest:tt)*)?) => {
        let $m = {
            #[expect(unused_imports, reason = "a plugin may have actions of one sort only")]
            use $crate::action::{ViaCollection as _, ViaRecord as _};
            $m$(.action((&$crate::action::Probe::<$t>(::core::marker::PhantomData)).entry()))*
        };
        $($crate::__parts!($m; $($rest)*);)?
    };
    ($m:ident; features: $e:expr $(, $($rest:tt)*)?) => {
        let $m = $m.features(|| $e);
        $($crate::__parts!($m; $($rest)*);)?
    };
    ($m:ident; disclosures: $e:expr $(, $($rest:tt)*)?) => {
        let $m = $m.disclosures(|| $e);
        $($crate::__parts!($m; $($rest)*);)?
    };
    ($m:ident; parties: $e:expr $(, $($rest:tt)*)?) => {
        let $m = $m.parties(|| $e);
        $($crate::__parts!($m; $($rest)*);)?
    };
    ($m:ident; seeds: $e:expr $(, $($rest:tt)*)?) => {
        let $m = $m.seeds(|| $e);
        $($crate::__parts!($m; $($rest)*);)?
    };
    ($m:ident; changes: $e:expr $(, $($rest:tt)*)?) => {
        let $m = $m.changes(|| $e);
        $($crate::__parts!($m; $($rest)*);)?
    };
    // pages, blocks, events, on, schedules, permissions
    ($m:ident; $key:ident: $e:expr $(, $($rest:tt)*)?) => {
        let $m = $m.$key($e);
        $($crate::__parts!($m; $($rest)*);)?
    };
}
