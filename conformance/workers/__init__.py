"""How it is asked: the processes in which targets live, and the protocol that is spoken with them."""
