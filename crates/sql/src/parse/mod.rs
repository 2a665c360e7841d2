//! Text to statements: tokens, names with their places, the statements of a program, and the errors about them.

pub(crate) mod column_type;
pub(crate) mod ddl;
pub(crate) mod error;
pub(crate) mod interval;
pub(crate) mod made;
pub(crate) mod metadata;
pub(crate) mod setting;
pub(crate) mod statement;
pub(crate) mod token;
pub(crate) mod unread;
pub(crate) mod walk;
pub(crate) mod zone_name;
