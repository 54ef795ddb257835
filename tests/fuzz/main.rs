//! libFuzzer around one of the targets: the one that `DAYBOOK_FUZZ` names.
#![no_main]

mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<targets::Target> = OnceLock::new();

fuzz_target!(
    init: {
        let wanted = std::env::var("DAYBOOK_FUZZ").unwrap_or_default();
        let target = targets::TARGETS.iter().find(|(name, _)| *name == wanted);
        let (_, target) = target.unwrap_or_else(|| panic!("DAYBOOK_FUZZ names no target: {:?}", targets::TARGETS.map(|(name, _)| name)));
        TARGET.get_or_init(|| *target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(data);
        }
    }
);
