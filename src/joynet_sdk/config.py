"""Settings, and where each one came from.

Precedence: flag > JOYNET_* variable > `.env` > project `joynet.toml` > profile > user config >
default. Every layer is checked when it is read, also where a higher layer hides it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError

from joynet_sdk.environment import Environment
from joynet_sdk.errors import ConfigError, InvalidInputError, NotFoundError
from joynet_sdk.paths import Home, atomic_write, file_errors
from joynet_sdk.settings import Settings as Settings

PROJECT_FILE = "joynet.toml"
DEFAULT_PROFILE = "default"
MAX_FILE_BYTES = 256 * 1024
_VARIABLES = {"timeout_s": "JOYNET_TIMEOUT"}  # the others follow from the key
_URL_KEY = re.compile(r"(?<=[/=])[A-Za-z0-9_-]{20,}")  # API keys in RPC URLs
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Setting:
    """One setting's definition.

    Attributes:
        key: Dotted key, e.g. "storage.quota_gb".
        variable: Its environment variable.
        description: One line.
    """

    key: str
    variable: str
    description: str
    default: Any
    adapter: TypeAdapter[Any] = field(repr=False)
    is_list: bool = False


@dataclass(frozen=True)
class Origin:
    """Where a value came from.

    Attributes:
        layer: "flag", "environment", ".env", "project", "profile", "user" or "default".
        where: The flag, variable or file with its line; "" for a default.
    """

    layer: str
    where: str = ""


@dataclass(frozen=True)
class Resolved:
    """The outcome of reading every layer.

    Attributes:
        settings: What is in force, with `profile` resolved apart.
        origins: By dotted key, and "profile".
        profile: Name of the profile in use.
        project_file: Nearest `joynet.toml`, or None.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    profile: str
    project_file: Path | None

    def value(self, key: str) -> Any:
        """The value of a dotted key."""
        if key == "profile":
            return self.profile
        found: Any = self.settings
        for part in find_setting(key).key.split("."):
            found = getattr(found, part)
        return found


def _walk(model: type[BaseModel], prefix: str = "") -> Iterator[Setting]:
    for name, info in model.model_fields.items():
        key = prefix + name
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _walk(info.annotation, key + ".")
            continue
        variable = _VARIABLES.get(key, "JOYNET_" + key.upper().replace(".", "_"))
        annotation: Any = info.annotation
        for constraint in info.metadata:
            annotation = Annotated[annotation, constraint]
        adapter = TypeAdapter(annotation)
        is_list = isinstance(info.default, tuple)
        yield Setting(key, variable, info.description or "", info.default, adapter, is_list)


SETTINGS: dict[str, Setting] = {setting.key: setting for setting in _walk(Settings)}
PROFILE = Setting(
    "profile",
    "JOYNET_PROFILE",
    "Named set of settings to use.",
    DEFAULT_PROFILE,
    TypeAdapter(Annotated[str, AfterValidator(lambda value: check_profile_name(value))]),
)


def check_profile_name(name: str) -> str:
    """Return `name` if it can name a profile.

    Raises:
        InvalidInputError: It cannot; also a ValueError.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"profile is {name!r}, expected letters, digits, '.', '_' or '-'")
    return name


def find_setting(key: str) -> Setting:
    """The definition of a dotted key, or of "profile".

    Raises:
        ConfigError: There is no such setting; the hint names the nearest.
    """
    if key == PROFILE.key:
        return PROFILE
    if key not in SETTINGS:
        raise ConfigError(f"no such setting: {key!r}", hint=_nearest(key))
    return SETTINGS[key]


def _nearest(key: str) -> str:
    near = get_close_matches(key, [*SETTINGS, PROFILE.key], 1)
    return f"did you mean {near[0]}?" if near else "joynet config show lists them all"


def parse_text(setting: Setting, text: str, where: str) -> Any:
    """Check a value that came as text (a flag, a variable, `config set`).

    Args:
        setting: What it is for.
        text: The value; lists are comma-separated.
        where: Where it was found, for the error.

    Raises:
        ConfigError: It does not fit.
    """
    raw: Any = (
        [part.strip() for part in text.split(",") if part.strip()] if setting.is_list else text
    )
    return _check(setting, raw, where)


def _check(setting: Setting, raw: Any, where: str) -> Any:
    try:
        return setting.adapter.validate_python(raw)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        shown = mask(setting.key, raw)
        reason = reason[:1].lower() + reason[1:]
        raise ConfigError(f"{where}: {setting.key} is {shown!r}: {reason}") from None


def resolve(
    home: Path, environ: Environment, cwd: Path, flags: Mapping[str, Any] | None = None
) -> Resolved:
    """Read every layer and decide.

    Args:
        home: `$JOYNET_HOME`.
        environ: Environment variables, from `read_environment`.
        cwd: Folder whose nearest parent holding `joynet.toml` is the project.
        flags: Values given on the command line, by dotted key or "profile".

    Raises:
        ConfigError: A file, variable or flag is wrong; names it, the key and what was expected.
        NotFoundError: The chosen profile does not exist.
    """
    layout = Home(home)
    user = read_file(layout.config, "user")
    project_path = find_project(cwd)
    project = read_file(project_path, "project") if project_path else {}
    outside = _outside_files(environ, flags or {})
    profile, profile_origin = DEFAULT_PROFILE, Origin("default")
    for layer in (user, project, outside):
        if PROFILE.key in layer:
            profile, profile_origin = layer[PROFILE.key]
    chosen = read_file(find_profile(layout, profile), "profile")
    merged = {**user, **chosen, **project, **outside, PROFILE.key: (profile, profile_origin)}
    values = {key: value for key, (value, _) in merged.items() if key != PROFILE.key}
    origins = {key: Origin("default") for key in SETTINGS}
    origins |= {key: origin for key, (_, origin) in merged.items()}
    return Resolved(Settings.model_validate(_nest(values)), origins, profile, project_path)


_Layer = dict[str, tuple[Any, Origin]]


def _outside_files(environ: Environment, flags: Mapping[str, Any]) -> _Layer:
    layer: _Layer = {}
    for setting in (*SETTINGS.values(), PROFILE):
        if environ.get(setting.variable):
            dotenv = setting.variable in environ.from_dotenv
            where = f"{setting.variable} in .env" if dotenv else setting.variable
            value = parse_text(setting, environ[setting.variable], where)
            layer[setting.key] = value, Origin(".env" if dotenv else "environment", where)
        if setting.key in flags:
            flag = "--" + setting.key.removesuffix("_s")
            layer[setting.key] = _check(setting, flags[setting.key], flag), Origin("flag", flag)
    return layer


def profile_names(home: Home) -> list[str]:
    """Every profile, "default" first; it is always there, with or without a file."""
    with file_errors(home.profiles):
        found = {path.stem for path in home.profiles.glob("*.toml") if _NAME.fullmatch(path.stem)}
    return [DEFAULT_PROFILE, *sorted(found - {DEFAULT_PROFILE})]


def find_profile(home: Home, name: str) -> Path:
    """The file of a profile; that of "default" may be missing.

    Raises:
        NotFoundError: No such profile.
    """
    path = home.profiles / f"{check_profile_name(name)}.toml"
    if name != DEFAULT_PROFILE and not path.exists():
        raise NotFoundError("profile", name, hint=f"joynet profile create {name}")
    return path


def create_profile(home: Home, name: str, changes: Mapping[str, str]) -> None:
    """Create a profile that sets `changes` (text by dotted key).

    Raises:
        ConfigError: It exists, or a setting is wrong.
    """
    path = home.profiles / f"{check_profile_name(name)}.toml"
    if path.exists():
        raise ConfigError(f"profile {name} exists", hint=f"joynet profile show {name}")
    change_file(path, "profile", changes, mode=0o600)


def delete_profile(home: Home, name: str) -> None:
    """Delete a profile that the user configuration does not choose.

    Raises:
        ConfigError: It is the chosen one.
        NotFoundError: No such profile.
    """
    chosen, _ = read_file(home.config, "user").get(PROFILE.key, (DEFAULT_PROFILE, None))
    path = find_profile(home, name)
    if name == chosen:
        raise ConfigError(f"profile {name} is in use", hint="joynet profile use OTHER")
    with file_errors(path):
        path.unlink()


def find_project(cwd: Path) -> Path | None:
    """The nearest `joynet.toml` in `cwd` or a folder above it."""
    for folder in (cwd, *cwd.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder / PROJECT_FILE
    return None


def read_file(path: Path, layer: str) -> _Layer:
    """Read and check one TOML file; a missing one is empty.

    Raises:
        ConfigError: Unreadable, not TOML, an unknown key or a bad value; names file and line.
    """
    import tomli

    with file_errors(path):
        if not path.exists():
            return {}
        raw = path.read_bytes()
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} has {len(raw)} bytes, expected at most {MAX_FILE_BYTES}")
    try:
        text = raw.decode()
        document = tomli.loads(text)
    except (UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    return _check_document(document, text, path, layer)


def _check_document(document: dict[str, Any], text: str, path: Path, layer: str) -> _Layer:
    from joynet_sdk.toml_edit import line_of

    checked: _Layer = {}
    for key, raw in _flatten(document):
        where = f"{path}:{line_of(text, key)}"
        if key not in SETTINGS and (key != PROFILE.key or layer == "profile"):
            raise ConfigError(f"{where}: unknown setting {key!r}", hint=_nearest(key))
        checked[key] = _check(find_setting(key), raw, where), Origin(layer, where)
    return checked


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and prefix + name not in SETTINGS:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        target = nested
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = value
    return nested


def change_file(path: Path, layer: str, changes: Mapping[str, str | None], *, mode: int) -> None:
    """Set or remove settings in one TOML file; comments and other lines stay.

    Args:
        path: The file; made when missing.
        layer: "user", "project" or "profile", as in `Origin`.
        changes: Text of each value by dotted key, or None to remove it.
        mode: Permissions of the file.

    Raises:
        ConfigError: An unknown key, a bad value, or a file that is wrong or cannot be written.
    """
    from joynet_sdk.toml_edit import set_value, unset_value

    path = path.resolve()
    read_file(path, layer)
    with file_errors(path):
        text = path.read_text() if path.exists() else ""
    for key, value in changes.items():
        setting = find_setting(key)
        if key == PROFILE.key and layer == "profile":
            raise ConfigError("a profile cannot choose a profile", hint="joynet profile use NAME")
        if value is None:
            text = unset_value(text, key)
        else:
            text = set_value(text, key, parse_text(setting, value, f"the new value of {key}"))
    atomic_write(path, text, mode=mode)


def mask(key: str, value: Any) -> Any:
    """A value fit to show: secrets are masked by key name and by pattern."""
    from joynet_sdk.logs import MASK, is_secret_key, redact

    if value is None or isinstance(value, bool | int | float):
        return value
    if is_secret_key(key):
        return MASK
    if isinstance(value, list | tuple):
        return [mask(key, item) for item in value]
    shown = redact(str(value))
    return _URL_KEY.sub(MASK, shown) if "://" in shown else shown
