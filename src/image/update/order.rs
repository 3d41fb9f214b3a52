//! The order of an update: a container that others refer to by its id comes before them.

/// A container of the update, and those that refer to it by its id.
#[derive(Debug, Default, Clone)]
pub(super) struct Held {
    pub(super) id: String,
    pub(super) dependents: Vec<String>,
}

/// The order of each container: 0 for those that refer to none of the others.
pub(super) fn of(containers: &[Held]) -> Vec<u32> {
    let mut orders = vec![0; containers.len()];
    // The longest chain has as many links as there are containers; a cycle cannot be built on an engine, and ends here all the same.
    for _ in 0..containers.len() {
        let mut settled = true;
        for provider in 0..containers.len() {
            for dependent in 0..containers.len() {
                let holds = provider != dependent && containers[provider].dependents.contains(&containers[dependent].id);
                if holds && orders[dependent] <= orders[provider] && orders[provider] < containers.len() as u32 {
                    orders[dependent] = orders[provider] + 1;
                    settled = false;
                }
            }
        }
        if settled {
            break;
        }
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(id: &str, dependents: &[&str]) -> Held {
        Held { id: id.into(), dependents: dependents.iter().map(|one| (*one).to_owned()).collect() }
    }

    #[test]
    fn a_provider_comes_before_its_dependents() {
        assert_eq!(of(&[]), [0_u32; 0]);
        assert_eq!(of(&[held("a", &[]), held("b", &[])]), [0, 0]);
        assert_eq!(of(&[held("c", &[]), held("b", &["c"]), held("a", &["b", "c"]), held("d", &[])]), [2, 1, 0, 0]);
        assert_eq!(of(&[held("a", &["foreign"])]), [0]);
    }

    #[test]
    fn a_cycle_of_dependents_ends() {
        assert_eq!(of(&[held("a", &["b"]), held("b", &["a"])]).len(), 2);
    }
}
