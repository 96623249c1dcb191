"""Speed, measured side by side with other implementations: `python -m tests.bench --help`.

Every process computes with one thread, so that CPU seconds compare; the variables must be set before numpy is
loaded, hence here.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
