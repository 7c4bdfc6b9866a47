# Erlang's side: reads the name of a piece of work a line, takes one sample, prints one number.
# Two nodes in two processes, over TCP on this machine; they share a cookie and encrypt nothing.

defmodule Erlang do
  @calls 300
  @tasks 20_000

  def start do
    args = ['-setcookie', Atom.to_charlist(Node.get_cookie()), '-kernel', 'inet_dist_use_interface', '{127,0,0,1}']
    {:ok, _peer, there} = :peer.start_link(%{name: :there, host: 'localhost', args: args})
    answer(there, :crypto.strong_rand_bytes(64 * 1024 * 1024))
  end

  defp answer(there, big) do
    case IO.read(:line) do
      :eof -> :ok
      line -> IO.puts(sample(String.trim(line), there, big)); answer(there, big)
    end
  end

  defp sample("call", there, _big) do
    taken = for i <- 1..@calls, do: seconds(fn -> :erpc.call(there, :erlang, :+, [i, 1]) end)
    Enum.at(Enum.sort(taken), div(@calls, 2)) * 1.0e6
  end

  defp sample("tasks", there, _big) do
    right = Enum.sum(2..(@tasks + 1))
    taken = seconds(fn ->
      asked = for i <- 1..@tasks, do: :erpc.send_request(there, :erlang, :+, [i, 1])
      ^right = asked |> Enum.map(&:erpc.receive_response/1) |> Enum.sum()
    end)
    @tasks / taken
  end

  defp sample("bulk", there, big) do
    size = byte_size(big)
    taken = seconds(fn -> ^size = :erpc.call(there, :erlang, :byte_size, [big]) end)
    size / 1.0e6 / taken
  end

  defp seconds(fun) do
    {microseconds, _} = :timer.tc(fun)
    max(microseconds, 1) / 1.0e6
  end
end

Erlang.start()
