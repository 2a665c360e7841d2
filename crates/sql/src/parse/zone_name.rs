//! Names that no time zone has, and what to write instead.

use super::error::nearest;
use highwater_core::time::Zone;

/// Short names, which several zones may have, and a zone whose clocks show one.
const SHORT: &[(&[&str], &str)] = &[
    (&["PST", "PDT"], "America/Los_Angeles"),
    (&["MDT"], "America/Denver"),
    (&["CST", "CDT"], "America/Chicago"),
    (&["EDT"], "America/New_York"),
    (&["AST", "ADT"], "America/Halifax"),
    (&["AKST", "AKDT"], "America/Anchorage"),
    (&["BRT"], "America/Sao_Paulo"),
    (&["BST"], "Europe/London"),
    (&["CEST", "MEZ", "MESZ"], "Europe/Berlin"),
    (&["EEST"], "Europe/Athens"),
    (&["MSK"], "Europe/Moscow"),
    (&["SAST"], "Africa/Johannesburg"),
    (&["IST"], "Asia/Kolkata"),
    (&["SGT"], "Asia/Singapore"),
    (&["HKT"], "Asia/Hong_Kong"),
    (&["JST"], "Asia/Tokyo"),
    (&["KST"], "Asia/Seoul"),
    (&["AWST"], "Australia/Perth"),
    (&["ACST", "ACDT"], "Australia/Adelaide"),
    (&["AEST", "AEDT"], "Australia/Sydney"),
    (&["NZST", "NZDT"], "Pacific/Auckland"),
];

/// What to write instead of a name that no zone has.
pub(crate) fn instead(name: &str) -> String {
    let short = SHORT.iter().find(|(names, _)| names.iter().any(|short| short.eq_ignore_ascii_case(name.trim())));
    if let Some((_, zone)) = short {
        return format!("'{zone}', whose clocks show {}, or an offset: 'GMT+02:00'", name.trim().to_uppercase());
    }
    match nearest(name, Zone::names()).as_slice() {
        [] => "a name like 'Europe/Berlin', or an offset: 'GMT+02:00'".to_owned(),
        near => near.iter().map(|near| format!("'{near}'")).collect::<Vec<_>>().join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_lead_to_a_zone() {
        assert!(instead("pst").starts_with("'America/Los_Angeles', whose clocks show PST"), "{}", instead("pst"));
        assert!(instead("Europe/Berln").starts_with("'Europe/Berlin'"), "{}", instead("Europe/Berln"));
        for (names, zone) in SHORT {
            assert!(Zone::of(zone).is_some() && names.iter().all(|name| Zone::of(name).is_none()), "{zone}");
        }
    }
}
