# Erlang's side: reads the name of a piece of work a line, takes one sample, prints one number.
# Two nodes in two processes, over TCP on this machine; they share a cookie and encrypt nothing.

{:module, _, code, _} = defmodule Erlang do
  @calls 300
  @tasks 20_000
  @crowd 100_000
  @messages 100_000

  def start(code) do
    args = ['-setcookie', Atom.to_charlist(Node.get_cookie()), '-kernel', 'inet_dist_use_interface', '{127,0,0,1}']
    {:ok, _peer, there} = :peer.start_link(%{name: :there, host: 'localhost', args: args})
    {:module, Erlang} = :erpc.call(there, :code, :load_binary, [Erlang, 'erlang.exs', code])
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

  defp sample("spawn", _there, _big) do
    {taken, crowd} = timed(fn -> crowd() end)
    Enum.each(crowd, &send(&1, :end))
    @crowd / taken
  end

  defp sample("spawn memory", _there, _big) do
    :erlang.garbage_collect()
    before = :erlang.memory(:processes)
    crowd = crowd()
    taken = :erlang.memory(:processes) - before
    Enum.each(crowd, &send(&1, :end))
    taken / @crowd / 1024
  end

  defp sample("send mates", _there, _big), do: messages(node())
  defp sample("send nodes", there, _big), do: messages(there)

  defp crowd, do: for _ <- 1..@crowd, do: spawn(fn -> receive do :end -> :ok end end)

  defp messages(where) do
    counter = :erlang.spawn(where, Erlang, :count, [@messages, self()])
    @messages / seconds(fn ->
      for number <- 1..@messages, do: send(counter, number)
      receive do :all -> :ok end
    end)
  end

  def count(0, boss), do: send(boss, :all)
  def count(left, boss), do: (receive do _ -> count(left - 1, boss) end)

  defp seconds(fun), do: elem(timed(fun), 0)

  defp timed(fun) do
    {microseconds, value} = :timer.tc(fun)
    {max(microseconds, 1) / 1.0e6, value}
  end
end

Erlang.start(code)
