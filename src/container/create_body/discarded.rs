//! Settings that this engine discards at create, whatever is asked.
//!
//! Rules: docs/recreate.md, section 3.9.

use serde_json::Value;

use super::equality::Difference;
use super::value::{is_empty, same};

/// Limits that an engine can enforce only where its kernel and its version of cgroups have them: `MemorySwappiness` and `OomKillDisable` not
/// with cgroup v2, `KernelMemory` on no engine from 29 on.
const LIMITS: [&str; 24] = [
    "Memory",
    "MemoryReservation",
    "MemorySwap",
    "MemorySwappiness",
    "KernelMemory",
    "KernelMemoryTCP",
    "OomKillDisable",
    "PidsLimit",
    "CpuShares",
    "CpuPeriod",
    "CpuQuota",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "CpusetCpus",
    "CpusetMems",
    "CpuCount",
    "CpuPercent",
    "NanoCpus",
    "BlkioWeight",
    "BlkioWeightDevice",
    "BlkioDeviceReadBps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteIOps",
];

/// Whether the engine has discarded the setting: it was asked for as the old container has it, the new one has none, and the engine's
/// warnings at create name it or it is a limit that depends on the kernel.
pub(crate) fn is_discarded(difference: &Difference, body: &Value, warnings: &[String]) -> bool {
    let Some(key) = difference.field.strip_prefix("HostConfig.") else { return false };
    let asked = &body["HostConfig"][key];
    let is_asked = !is_nothing(asked) && same(asked, &difference.expected);
    is_asked && is_nothing(&difference.found) && (LIMITS.contains(&key) || warnings.iter().any(|warning| names(warning, key)))
}

fn is_nothing(value: &Value) -> bool {
    is_empty(value) || *value == false || *value == 0 || *value == -1
}

/// `Your kernel does not support OomKillDisable. OomKillDisable discarded.` and `... Memory swappiness discarded.`
fn names(warning: &str, key: &str) -> bool {
    let letters: String = warning.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    letters.contains("discarded") && letters.contains(&key.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_setting_is_discarded_when_it_was_asked_for_and_is_not_there() {
        let body =
            json!({"HostConfig": {"MemorySwappiness": 60, "OomKillDisable": true, "Memory": 1000, "Exotic": 5, "ReadonlyRootfs": true}});
        let warned = ["Your kernel does not support the exotic. Exotic discarded.".to_owned()];
        let cases = [
            ("HostConfig.MemorySwappiness", json!(60), Value::Null, true),
            ("HostConfig.OomKillDisable", json!(true), json!(false), true),
            ("HostConfig.Memory", json!(1000), json!(0), true),
            ("HostConfig.Memory", json!(1000), json!(500), false),
            ("HostConfig.Memory", json!(2000), json!(0), false),
            ("HostConfig.Exotic", json!(5), json!(0), true),
            ("HostConfig.ReadonlyRootfs", json!(true), json!(false), false),
            ("HostConfig.Privileged", json!(true), json!(false), false),
            ("Config.Env", json!(["A=1"]), Value::Null, false),
        ];
        for (field, expected, found, discarded) in cases {
            let difference = Difference { field: field.into(), expected, found };
            assert_eq!(is_discarded(&difference, &body, &warned), discarded, "{difference:?}");
        }
    }
}
