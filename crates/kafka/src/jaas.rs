//! Java's way to write who logs in: `org.apache.kafka...PlainLoginModule required username="ann" password="...";`.

/// The module's name without its package, and its options.
type Login = (String, Vec<(String, String)>);

/// Who logs in, or how that is to be written.
pub(crate) fn parse(text: &str) -> Result<Login, &'static str> {
    const FORM: &str = "write it as org.apache.kafka.common.security.plain.PlainLoginModule required username=\"...\" password=\"...\";";
    let text = text.trim();
    let text = text.strip_suffix(';').unwrap_or(text);
    let (module, rest) = text.split_once(char::is_whitespace).ok_or(FORM)?;
    let (_flag, mut rest) = rest.trim_start().split_once(char::is_whitespace).ok_or(FORM)?;
    let mut options = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((module.rsplit('.').next().unwrap_or(module).to_owned(), options));
        }
        let (name, behind) = rest.split_once('=').ok_or(FORM)?;
        let behind = behind.trim_start();
        let (value, left) = match behind.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(&behind[1..], quote).ok_or(FORM)?,
            _ => {
                let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
                (behind[..end].to_owned(), &behind[end..])
            }
        };
        options.push((name.trim().to_owned(), value));
        rest = left;
    }
}

/// The text up to the quote, with what a backslash stands before, and what is behind it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    loop {
        match chars.next()? {
            (at, found) if found == quote => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(chars.next()?.1),
            (_, other) => value.push(other),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::parse;

    #[test]
    fn modules_and_their_options_are_read() {
        let text = "org.apache.kafka.common.security.plain.PlainLoginModule required\n username=\"ann\" password='a\"b;\\\\c' x=1;";
        let (module, options) = parse(text).unwrap();
        assert_eq!(module, "PlainLoginModule");
        let pairs: Vec<(&str, &str)> = options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("username", "ann"), ("password", "a\"b;\\c"), ("x", "1")]);
        for wrong in ["", "PlainLoginModule", "PlainLoginModule required username=\"ann", "M required username"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
