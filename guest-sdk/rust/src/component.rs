//! From a trait to a component: the macros and what they expand to. Nothing here is for use by hand.

use std::marker::PhantomData;

#[doc(hidden)]
pub use crate::bindings::{gating, hooking, meta, validating};

use crate::bindings::base::orc::guest::settings as host_settings;
use crate::bindings::base::orc::guest::types::Description;
use crate::documents::HostDocuments;
use crate::{Context, Described, Effect, Facts, Finding, Gate, Hook, Manifest, Settings, Validator, Verdict, settings};

/// Makes the crate's component a gate: `orc_guest::gate!(MyGate);`. The type implements [`Gate`]; `guest.toml` stands beside `Cargo.toml`
/// (or where a second argument says, relative to it).
#[macro_export]
macro_rules! gate {
    ($guest:ty) => {
        $crate::gate!($guest, "guest.toml");
    };
    ($guest:ty, $manifest:literal) => {
        $crate::__guest!($guest, $manifest, "gate", "orc:guest/gate@1.0.0", GateComponent, gating, export_gating);
    };
}

/// Makes the crate's component a hook: `orc_guest::hook!(MyHook);`. See [`gate!`](crate::gate).
#[macro_export]
macro_rules! hook {
    ($guest:ty) => {
        $crate::hook!($guest, "guest.toml");
    };
    ($guest:ty, $manifest:literal) => {
        $crate::__guest!($guest, $manifest, "hook", "orc:guest/hook@1.0.0", HookComponent, hooking, export_hooking);
    };
}

/// Makes the crate's component a validator: `orc_guest::validator!(MyValidator);`. See [`gate!`](crate::gate).
#[macro_export]
macro_rules! validator {
    ($guest:ty) => {
        $crate::validator!($guest, "guest.toml");
    };
    ($guest:ty, $manifest:literal) => {
        $crate::__guest!($guest, $manifest, "validator", "orc:guest/validator@1.0.0", ValidatorComponent, validating, export_validating);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __guest {
    ($guest:ty, $manifest:literal, $kind:literal, $world:literal, $component:ident, $interface:ident, $export:ident) => {
        impl $crate::Described for $guest {
            const MANIFEST: $crate::Manifest =
                $crate::Manifest::read(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest)), $kind, $world);
        }
        // A manifest that does not fit is an error of every build, also of a native one that never asks for it.
        const _: $crate::Manifest = <$guest as $crate::Described>::MANIFEST;
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code)]
        const _: () = {
            type Component = $crate::component::$component<$guest>;
    $crate::component::meta::export_meta!(Component with_types_in $crate::component::meta);
    $crate::component::$interface::$export!(Component with_types_in $crate::component::$interface);
        };
    };
}

/// A gate as the host sees it.
#[doc(hidden)]
pub struct GateComponent<G>(PhantomData<G>);

/// A hook as the host sees it.
#[doc(hidden)]
pub struct HookComponent<H>(PhantomData<H>);

/// A validator as the host sees it.
#[doc(hidden)]
pub struct ValidatorComponent<V>(PhantomData<V>);

impl<G: Gate + Described> meta::exports::orc::guest::meta::Guest for GateComponent<G> {
    fn describe() -> Description {
        description(G::MANIFEST)
    }

    fn check_settings(json: String) -> Vec<Finding> {
        settings::read::<G::Settings>(&json).err().unwrap_or_default()
    }
}

impl<G: Gate + Described> gating::exports::orc::guest::gating::Guest for GateComponent<G> {
    fn evaluate(facts: Facts) -> Result<Verdict, String> {
        G::evaluate(&facts, &bound_settings()?, &HostDocuments).map_err(crate::Declined::into_text)
    }
}

impl<H: Hook + Described> meta::exports::orc::guest::meta::Guest for HookComponent<H> {
    fn describe() -> Description {
        description(H::MANIFEST)
    }

    fn check_settings(json: String) -> Vec<Finding> {
        settings::read::<H::Settings>(&json).err().unwrap_or_default()
    }
}

impl<H: Hook + Described> hooking::exports::orc::guest::hooking::Guest for HookComponent<H> {
    fn run(facts: Facts) -> Result<Vec<Effect>, String> {
        H::run(&facts, &bound_settings()?, &HostDocuments).map_err(crate::Declined::into_text)
    }
}

impl<V: Validator + Described> meta::exports::orc::guest::meta::Guest for ValidatorComponent<V> {
    fn describe() -> Description {
        description(V::MANIFEST)
    }

    fn check_settings(json: String) -> Vec<Finding> {
        settings::read::<V::Settings>(&json).err().unwrap_or_default()
    }
}

impl<V: Validator + Described> validating::exports::orc::guest::validating::Guest for ValidatorComponent<V> {
    fn validate(context: Context) -> Result<Vec<Finding>, String> {
        V::validate(&context, &bound_settings()?, &HostDocuments).map_err(crate::Declined::into_text)
    }
}

fn description(manifest: Manifest) -> Description {
    Description { name: manifest.name.into(), version: manifest.version.into(), summary: manifest.summary.into() }
}

fn bound_settings<S: Settings>() -> Result<S, String> {
    let json = if S::READ { host_settings::json() } else { "{}".to_owned() };
    settings::read(&json).map_err(|findings| {
        let texts: Vec<String> = findings.into_iter().map(|finding| finding.message).collect();
        format!("the binding's settings are not usable: {}", texts.join("; "))
    })
}
