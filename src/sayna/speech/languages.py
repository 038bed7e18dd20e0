"""Languages and accents by the names that `GET /voices` shows."""

_LANGUAGES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali",
    "ca": "Catalan", "cmn": "Chinese", "zh": "Chinese", "cs": "Czech", "cy": "Welsh",
    "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fil": "Filipino",
    "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati", "he": "Hebrew",
    "iw": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "jv": "Javanese", "kn": "Kannada",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "ml": "Malayalam", "mr": "Marathi",
    "ms": "Malay", "nb": "Norwegian Bokmål", "nl": "Dutch", "pa": "Punjabi", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sr": "Serbian", "su": "Sundanese", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "yue": "Cantonese",
}  # fmt: skip
_ACCENTS = {
    "US": "American", "GB": "British", "AU": "Australian", "IN": "Indian", "CA": "Canadian",
    "IE": "Irish", "NZ": "New Zealand", "ZA": "South African", "ES": "Spain", "MX": "Mexican",
    "AR": "Argentinian", "CL": "Chilean", "CO": "Colombian", "PE": "Peruvian", "VE": "Venezuelan",
    "BR": "Brazilian", "PT": "Portuguese", "FR": "French", "BE": "Belgian", "CH": "Swiss",
    "DE": "German", "AT": "Austrian", "IT": "Italian", "RU": "Russian", "UA": "Ukrainian",
    "PL": "Polish", "NL": "Dutch", "SE": "Swedish", "NO": "Norwegian", "DK": "Danish",
    "FI": "Finnish", "TR": "Turkish", "CN": "Mainland China", "TW": "Taiwanese",
    "HK": "Hong Kong", "JP": "Japanese", "KR": "Korean", "SA": "Saudi", "EG": "Egyptian",
    "IL": "Israeli", "PH": "Filipino", "ID": "Indonesian", "MY": "Malaysian", "TH": "Thai",
    "VN": "Vietnamese",
}  # fmt: skip


def language_name(code: str) -> str:
    """Return `English` for `en`, `en-US` or `EN_us`; an unknown code comes back unchanged."""
    return _LANGUAGES.get(code.replace("_", "-").split("-")[0].lower(), code)


def accent_name(code: str) -> str:
    """Return `American` for `en-US`, the region itself where unknown, `Standard` without one."""
    _, _, region = code.replace("_", "-").partition("-")
    region = region.split("-")[0].upper()
    return _ACCENTS.get(region, region) or "Standard"
