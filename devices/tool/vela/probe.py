# Arguments: accelerator, configuration file ("" = Arm's own), system config, memory mode.
# Answers what Vela knows, and in "problem" what it has against the combination.
found = {"python": sys.version.split()[0], "packages": installed("ethos-u-vela")}
try:
    from configparser import ConfigParser
    from ethosu.vela import architecture_features as arch
except ImportError as e:
    found["missing"] = str(e)
    answer(found)
    sys.exit(0)

accelerator, config, system, memory = sys.argv[1:5]
config = config or os.path.join(arch.CONFIG_FILES_PATH, "Arm", "vela.ini")
try:
    ini = ConfigParser()
    with open(config, encoding="utf-8") as f:
        ini.read_file(f)
    found["sections"] = ini.sections()
    found["accelerators"] = list(arch.Accelerator.member_list())
    if accelerator:
        a = arch.ArchitectureFeatures(
            vela_config_files=[config], system_config=system, memory_mode=memory,
            accelerator_config=accelerator, max_blockdep=arch.ArchitectureFeatures.MAX_BLOCKDEP,
            verbose_config=False, arena_cache_size=None)
        # JSON has no NaN and no infinity; a clock of 0 is refused.
        found["core_clock_hz"] = a.core_clock if abs(a.core_clock) < float("inf") else 0
except Exception as e:  # of any kind: a user's file may be anything
    found["problem"] = str(getattr(e, "data", e)) or type(e).__name__
answer(found)
