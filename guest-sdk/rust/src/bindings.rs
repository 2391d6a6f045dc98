//! Generated from the WIT. One base for the types and imports, and one module for each exported interface, so that a guest exports
//! only its own kind: the macros of a world cannot be generated twice in a crate.
#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]

pub mod base {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "
            package orc:sdk;
            world base {
                import orc:guest/types@1.0.0;
                import orc:guest/input@1.0.0;
                import orc:guest/log@1.0.0;
                import orc:guest/settings@1.0.0;
                import orc:guest/documents@1.0.0;
            }
        ",
        world: "orc:sdk/base",
        additional_derives: [PartialEq, Eq],
        generate_all,
    });
}

pub mod meta {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "package orc:sdk; world meta { export orc:guest/meta@1.0.0; }",
        world: "orc:sdk/meta",
        with: { "orc:guest/types@1.0.0": crate::bindings::base::orc::guest::types },
        pub_export_macro: true,
        export_macro_name: "export_meta",
        default_bindings_module: "orc_guest::component::meta",
    });
}

pub mod gating {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "package orc:sdk; world gating { export orc:guest/gating@1.0.0; }",
        world: "orc:sdk/gating",
        with: {
            "orc:guest/types@1.0.0": crate::bindings::base::orc::guest::types,
            "orc:guest/input@1.0.0": crate::bindings::base::orc::guest::input,
        },
        pub_export_macro: true,
        export_macro_name: "export_gating",
        default_bindings_module: "orc_guest::component::gating",
    });
}

pub mod hooking {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "package orc:sdk; world hooking { export orc:guest/hooking@1.0.0; }",
        world: "orc:sdk/hooking",
        with: {
            "orc:guest/types@1.0.0": crate::bindings::base::orc::guest::types,
            "orc:guest/input@1.0.0": crate::bindings::base::orc::guest::input,
        },
        pub_export_macro: true,
        export_macro_name: "export_hooking",
        default_bindings_module: "orc_guest::component::hooking",
    });
}

pub mod validating {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "package orc:sdk; world validating { export orc:guest/validating@1.0.0; }",
        world: "orc:sdk/validating",
        with: { "orc:guest/types@1.0.0": crate::bindings::base::orc::guest::types },
        pub_export_macro: true,
        export_macro_name: "export_validating",
        default_bindings_module: "orc_guest::component::validating",
    });
}
