//! What a document says by one of a few words, as types. A word that this version does not know is kept: other engines and versions have more.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// Another word of the engine's.
            Other(String),
        }

        impl $name {
            /// The word in the document.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    _ => Self::Other(word.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|word| Self::from(word.as_str()))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                String::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }
    };
}

words! {
    /// What a container does, in the engine's words.
    #[derive(Default)]
    ContainerState {
        /// Never started.
        #[default]
        Created = "created",
        /// It runs.
        Running = "running",
        /// It runs and is frozen.
        Paused = "paused",
        /// Its restart policy is about to start it again.
        Restarting = "restarting",
        /// The engine is removing it.
        Removing = "removing",
        /// It ran and has ended.
        Exited = "exited",
        /// The engine could not remove it.
        Dead = "dead",
    }
}

words! {
    /// What a container's healthcheck has found.
    Health {
        /// No result counts yet.
        Starting = "starting",
        /// The last probe succeeded.
        Healthy = "healthy",
        /// As many probes as configured have failed.
        Unhealthy = "unhealthy",
    }
}

words! {
    /// What is mounted.
    MountKind {
        /// A volume, with a name or anonymous.
        Volume = "volume",
        /// A file or folder of the engine's machine.
        Bind = "bind",
        /// Memory.
        Tmpfs = "tmpfs",
        /// An image's files.
        Image = "image",
    }
}

words! {
    /// What refit is doing to an image or container.
    OperationKind {
        /// An image is pulled.
        Pull = "pull",
        /// A container is recreated.
        Recreate = "recreate",
        /// An interrupted recreation is finished or rolled back.
        Recover = "recover",
    }
}

impl ContainerState {
    /// Whether the container's processes are there: it runs, is paused, or is about to be started again by its policy.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written_as_they_are() {
        for word in ["created", "running", "paused", "restarting", "removing", "exited", "dead", "stopping", ""] {
            let state = ContainerState::from(word);
            assert_eq!(state.to_string(), word);
            assert_eq!(matches!(state, ContainerState::Other(_)), matches!(word, "stopping" | ""), "{word}");
            let written = serde_json::to_string(&state).unwrap();
            assert_eq!(written, format!("{word:?}"));
            assert_eq!(serde_json::from_str::<ContainerState>(&written).unwrap(), state);
        }
    }
}
