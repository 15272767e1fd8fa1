"""Opens the app: `python app.py [--share] [--host H] [--port P] [--preset lite|paper|paper-fast] [--mcp]`; also the entry of a Space."""

from segmo.ui.gpu import prepare  # before anything that imports torch, because it imports `spaces`
from segmo.ui.launch import main

prepare()  # at the top level: on ZeroGPU, what goes to CUDA before serving begins reaches every lent GPU

if __name__ == "__main__":
    main()
